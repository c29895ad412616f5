"""tritonclient over gRPC, as its users use it."""
import queue

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from conftest import client_of
from graphs import SLOW_WIDTH, TYPES
from live_server import serving, sim_models
from test_clients import array_of


def input_of(name, datatype, array):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def infer(client, model, array, datatype="FP32", output="y", name="x", **options):
    return client.infer(model, [input_of(name, datatype, array)], outputs=[triton.InferRequestedOutput(output)], **options)


@pytest.mark.parametrize("datatype", TYPES)
def test_every_type_comes_back_as_it_went(client, datatype):
    array = array_of(datatype)
    result = infer(client, f"identity_{datatype.lower()}", array, datatype)
    back = result.as_numpy("y")
    assert back.shape == array.shape
    assert (back == array).all()
    assert result.get_output("y").datatype == datatype


def test_many_dimensions_and_none(client):
    empty = np.zeros((0, 2), dtype=np.float32)
    assert infer(client, "identity_fp32", empty).as_numpy("y").shape == (0, 2)
    large = np.random.default_rng(2).standard_normal((300, 7000)).astype(np.float32)
    assert (infer(client, "identity_fp32", large).as_numpy("y") == large).all()


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("add_sub") and client.is_model_ready("add_sub", "1")
    assert not client.is_model_ready("add_sub", "2") and not client.is_model_ready("no_such_model")
    about = client.get_server_metadata()
    assert about.name == "millrace" and about.version
    assert {"classification", "statistics", "model_configuration", "system_shared_memory"} <= set(about.extensions)
    assert client.get_model_metadata("add_sub", as_json=True) == {
        "name": "add_sub", "versions": ["1"], "platform": "openvino_onnx",
        "inputs": [{"name": name, "datatype": "FP32", "shape": ["-1", "4"]} for name in ("a", "b")],
        "outputs": [{"name": name, "datatype": "FP32", "shape": ["-1", "4"]} for name in ("sum", "difference")]}
    with pytest.raises(InferenceServerException, match="no_such_model") as refused:
        client.get_model_metadata("no_such_model")
    assert refused.value.status() == "StatusCode.NOT_FOUND"


def test_config_says_what_is_batched(client):
    config = client.get_model_config("add_sub").config
    assert config.max_batch_size > 1 and config.WhichOneof("scheduling_choice") == "dynamic_batching"
    assert list(config.input[0].dims) == [4] and config.input[0].data_type == triton.model_config_pb2.TYPE_FP32
    assert list(client.get_model_config("fixed").config.input[0].dims) == [2, 3]


def test_inputs_in_any_order_and_chosen_outputs(client):
    a = np.arange(8, dtype=np.float32).reshape(2, 4)
    b = np.full((2, 4), 10, dtype=np.float32)
    both = client.infer("add_sub", [input_of("b", "FP32", b), input_of("a", "FP32", a)], request_id="r-7")
    assert (both.as_numpy("sum") == a + b).all() and (both.as_numpy("difference") == a - b).all()
    answer = both.get_response()
    assert (answer.id, answer.model_name, answer.model_version) == ("r-7", "add_sub", "1")
    one = client.infer("add_sub", [input_of("a", "FP32", a), input_of("b", "FP32", b)], model_version="1",
                       outputs=[triton.InferRequestedOutput("difference")])
    assert one.as_numpy("sum") is None and (one.as_numpy("difference") == a - b).all()


def test_typed_contents(client):
    request = triton.service_pb2.ModelInferRequest(model_name="identity_int16", inputs=[{
        "name": "x", "datatype": "INT16", "shape": [1, 3], "contents": {"int_contents": [1, -2, 300]}}])
    answer = client._client_stub.ModelInfer(request)
    assert np.frombuffer(answer.raw_output_contents[0], np.int16).tolist() == [1, -2, 300]


def test_async(client):
    answers = queue.Queue()
    for i in range(40):
        client.async_infer("identity_fp32", [input_of("x", "FP32", np.full((1, 2), i, np.float32))],
                           lambda result, error: answers.put((result, error)), request_id=str(i))
    for _ in range(40):
        result, error = answers.get(timeout=60)
        assert error is None
        assert (result.as_numpy("y") == float(result.get_response().id)).all()


def test_streams_answer_each_request_by_its_id(server):
    answers = queue.Queue()
    with client_of(server) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for i in range(200):
            array = np.full((1, 2), i, np.float32)
            name = "x" if i != 100 else "wrong"
            client.async_stream_infer("identity_fp32", [input_of(name, "FP32", array)], request_id=str(i),
                                      enable_empty_final_response=i % 2 == 0)
        got, errors = {}, []
        for _ in range(200):
            result, error = answers.get(timeout=60)
            if error:
                errors.append(error)
            else:
                response = result.get_response()
                assert response.parameters["triton_final_response"].bool_param
                got[response.id] = result.as_numpy("y")
        client.stop_stream()
    assert len(errors) == 1 and "no input 'wrong'" in errors[0].message()
    assert set(got) == {str(i) for i in range(200)} - {"100"}
    assert all((array == float(name)).all() for name, array in got.items())


def test_classification(client):
    scores = np.array([[1, 5, 3, 5, -1], [0.5, 0, 9, 1, 2]], dtype=np.float32)
    result = client.infer("classes", [input_of("x", "FP32", scores)],
                          outputs=[triton.InferRequestedOutput("scores", class_count=3)])
    assert result.get_output("scores").datatype == "BYTES"
    assert result.as_numpy("scores").tolist() == [
        [b"10.000000:1", b"10.000000:3", b"6.000000:2"], [b"18.000000:2", b"4.000000:4", b"2.000000:3"]]


def test_statistics_count_what_was_done(client):
    def stats():
        return client.get_inference_statistics("mixing", "1").model_stats[0]

    before = stats()
    for rows in (1, 3):
        infer(client, "mixing", np.ones((rows, 2), dtype=np.float32))
    after = stats()
    assert after.inference_count - before.inference_count == 2
    assert after.inference_stats.success.count - before.inference_stats.success.count == 2
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns
    assert {"mixing", "add_sub"} <= {model.name for model in client.get_inference_statistics().model_stats}


def test_timeouts_and_deadlines(client):
    rows = np.ones((3000, SLOW_WIDTH), dtype=np.float32)
    answers = queue.Queue()
    for _ in range(12):  # some run side by side, the others wait
        client.async_infer("slow", [input_of("x", "FP32", rows)], lambda result, error: answers.put(error))
    with pytest.raises(InferenceServerException) as late:
        infer(client, "slow", rows[:1], timeout=1)
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    with pytest.raises(InferenceServerException) as late:
        infer(client, "slow", rows[:1], client_timeout=0.05)
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert [answers.get(timeout=120) for _ in range(12)] == [None] * 12
    assert infer(client, "slow", rows[:1], timeout=60_000_000, priority=1, client_timeout=60).as_numpy("y").shape == (1, SLOW_WIDTH)


def test_repository(client, server):
    index = {model.name: model for model in client.get_model_repository_index().models}
    assert index["root"].state == "READY" and index["root"].version == "1"
    assert index["broken"].state == "UNAVAILABLE" and "/" not in index["broken"].reason
    for control in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match="--model-control-mode") as refused:
            control("root")
        assert refused.value.status() == "StatusCode.PERMISSION_DENIED"
    assert client.is_model_ready("root")


def test_settings_are_told_but_not_changed(client):
    assert list(client.get_trace_settings().settings["trace_level"].value) == ["OFF"]
    assert client.get_log_settings().settings["log_error"].bool_param
    for change in (lambda: client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}),
                   lambda: client.update_log_settings({"log_verbose_level": 1})):
        with pytest.raises(InferenceServerException) as refused:
            change()
        assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


def test_language_models_take_no_tensors(tmp_path):
    folder, model = sim_models(tmp_path)
    with serving(folder) as sim, client_of(sim) as client:
        with pytest.raises(InferenceServerException, match="does not take tensors") as refused:
            infer(client, model, np.ones((1, 2), dtype=np.float32))
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_without_grpc_nothing_listens(tmp_path):
    folder, _ = sim_models(tmp_path)
    with serving(folder, "--no-enable-grpc") as sim:
        assert sim.grpc_port == 0


def test_metrics(client, server):
    infer(client, "fixed", np.ones((2, 3), dtype=np.float32))
    values = server.metrics()
    method = "/inference.GRPCInferenceService/ModelInfer"
    assert values[f'grpc_requests_total{{code="OK",method="{method}"}}'] >= 1
    assert values[f'grpc_request_duration_seconds_count{{method="{method}"}}'] >= 1
