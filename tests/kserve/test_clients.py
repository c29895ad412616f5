"""tritonclient, as its users use it."""
import concurrent.futures

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from conftest import client_of
from graphs import SLOW_WIDTH, TYPES


def array_of(datatype):
    numpy_type = TYPES[datatype][1]
    if datatype == "BOOL":
        return np.array([[True, False], [False, True]])
    if np.issubdtype(numpy_type, np.integer):
        # OpenVINO's CPU device computes 64-bit integers in 32 bits.
        limits = np.iinfo({np.int64: np.int32, np.uint64: np.int32}.get(numpy_type, numpy_type))
        return np.array([[0 if numpy_type == np.uint64 else limits.min, limits.max], [1, 0]], dtype=numpy_type)
    return np.array([[0.5, -2], [1e4, 0]], dtype=numpy_type)  # exact in every float type


def input_of(name, datatype, array, binary=True):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def infer(client, model, array, datatype="FP32", binary_in=True, binary_out=True, output="y", name="x", **options):
    wanted = [triton.InferRequestedOutput(output, binary_data=binary_out)]
    return client.infer(model, [input_of(name, datatype, array, binary_in)], outputs=wanted, **options)


# Half precision goes as binary data only; test_hostile_tensors has the refusals.
WAYS = [(datatype, binary_in, binary_out) for datatype in TYPES for binary_in in (True, False) for binary_out in (True, False)
        if datatype not in ("FP16", "BF16") or (binary_in and binary_out)]


@pytest.mark.parametrize("datatype, binary_in, binary_out", WAYS)
def test_every_type_comes_back_as_it_went(client, datatype, binary_in, binary_out):
    array = array_of(datatype)
    result = infer(client, f"identity_{datatype.lower()}", array, datatype, binary_in, binary_out)
    back = result.as_numpy("y")
    assert back.shape == array.shape
    assert (back == array).all()
    assert result.get_output("y")["datatype"] == datatype


def test_many_dimensions_and_none(client):
    empty = np.zeros((0, 2), dtype=np.float32)
    assert infer(client, "identity_fp32", empty).as_numpy("y").shape == (0, 2)
    large = np.random.default_rng(2).standard_normal((300, 700)).astype(np.float32)
    assert (infer(client, "identity_fp32", large).as_numpy("y") == large).all()


def test_health_and_metadata(client, server):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("add_sub") and client.is_model_ready("add_sub", "1")
    assert not client.is_model_ready("add_sub", "2") and not client.is_model_ready("no_such_model")
    assert not client.is_model_ready("broken")
    about = client.get_server_metadata()
    assert about["name"] == "millrace" and about["version"]
    assert {"binary_tensor_data", "classification", "statistics", "model_configuration"} <= set(about["extensions"])
    model = client.get_model_metadata("add_sub")
    assert model == {
        "name": "add_sub", "versions": ["1"], "platform": "openvino_onnx",
        "inputs": [{"name": "a", "datatype": "FP32", "shape": [-1, 4]}, {"name": "b", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "sum", "datatype": "FP32", "shape": [-1, 4]},
                    {"name": "difference", "datatype": "FP32", "shape": [-1, 4]}]}
    assert client.get_model_metadata("add_sub", "1") == model


def test_config_says_what_is_batched(client):
    config = client.get_model_config("add_sub")
    assert config["max_batch_size"] > 1 and "dynamic_batching" in config
    assert config["input"][0] == {"name": "a", "data_type": "TYPE_FP32", "dims": [4]}
    for model, dims in (("fixed", [2, 3]), ("mixing", [-1, 2]), ("open_sizes", [-1, -1])):
        config = client.get_model_config(model)
        assert config["max_batch_size"] == 0 and "dynamic_batching" not in config
        assert config["input"][0]["dims"] == dims


def test_inputs_in_any_order_and_chosen_outputs(client):
    a = np.arange(8, dtype=np.float32).reshape(2, 4)
    b = np.full((2, 4), 10, dtype=np.float32)
    both = client.infer("add_sub", [input_of("b", "FP32", b, False), input_of("a", "FP32", a, True)], request_id="r-7")
    assert (both.as_numpy("sum") == a + b).all() and (both.as_numpy("difference") == a - b).all()
    answer = both.get_response()
    assert answer["id"] == "r-7" and answer["model_name"] == "add_sub" and answer["model_version"] == "1"
    one = client.infer("add_sub", [input_of("a", "FP32", a), input_of("b", "FP32", b)], model_version="1",
                       outputs=[triton.InferRequestedOutput("difference")])
    assert one.as_numpy("sum") is None and (one.as_numpy("difference") == a - b).all()


def test_async(client):
    arrays = [np.full((1, 2), i, dtype=np.float32) for i in range(40)]
    pending = [client.async_infer("identity_fp32", [input_of("x", "FP32", array)]) for array in arrays]
    for array, request in zip(arrays, pending):
        assert (request.get_result().as_numpy("y") == array).all()


def test_classification(client):
    scores = np.array([[1, 5, 3, 5, -1], [0.5, 0, 9, 1, 2]], dtype=np.float32)
    result = client.infer("classes", [input_of("x", "FP32", scores)],
                          outputs=[triton.InferRequestedOutput("scores", class_count=3)])
    assert result.get_output("scores")["datatype"] == "BYTES"
    assert result.as_numpy("scores").tolist() == [
        [b"10.000000:1", b"10.000000:3", b"6.000000:2"], [b"18.000000:2", b"4.000000:4", b"2.000000:3"]]
    all_of_them = client.infer("classes", [input_of("x", "FP32", scores[:1])],
                               outputs=[triton.InferRequestedOutput("scores", class_count=50, binary_data=False)])
    assert all_of_them.get_output("scores")["shape"] == [1, 5]
    fixed = client.infer("fixed", [input_of("x", "FP32", np.float32([[1, 2, 3], [9, -1, 0]]))],
                         outputs=[triton.InferRequestedOutput("y", class_count=2)])
    assert fixed.as_numpy("y").tolist() == [b"9.000000:3", b"3.000000:2"], "no batch: one ranking of the whole tensor"


def test_statistics_count_what_was_done(client):
    def stats():
        return client.get_inference_statistics("mixing", "1")["model_stats"][0]

    before = stats()
    for rows in (1, 3):
        infer(client, "mixing", np.ones((rows, 2), dtype=np.float32))
    with pytest.raises(InferenceServerException):
        infer(client, "mixing", np.ones((1, 3), dtype=np.float32))
    after = stats()
    assert (after["name"], after["version"]) == ("mixing", "1")
    assert after["inference_count"] - before["inference_count"] == 2, "axis 0 is no batch here"
    assert after["execution_count"] - before["execution_count"] == 2
    sums, earlier = after["inference_stats"], before["inference_stats"]
    for key in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert sums[key]["count"] - earlier[key]["count"] == 2
    assert sums["compute_infer"]["ns"] > earlier["compute_infer"]["ns"]
    assert after["last_inference"] >= before["last_inference"] > -1
    everything = client.get_inference_statistics()["model_stats"]
    assert {"mixing", "add_sub"} <= {model["name"] for model in everything}


def test_mixed_rows_are_never_merged(client):
    array = np.array([[1, 2], [3, 6]], dtype=np.float32)
    expected = array - array.mean(axis=0)
    pending = [client.async_infer("mixing", [input_of("x", "FP32", array)]) for _ in range(16)]
    for request in pending:
        assert np.allclose(request.get_result().as_numpy("y"), expected)


def test_concurrent_requests_become_batches(server):
    rows = np.random.default_rng(3).standard_normal((64, SLOW_WIDTH)).astype(np.float32)
    with client_of(server, concurrency=16) as client:
        alone = [infer(client, "slow", rows[i:i + 1]).as_numpy("y") for i in range(16)]
        before = client.get_inference_statistics("slow")["model_stats"][0]

        def ask(i):
            with client_of(server) as own:
                return [infer(own, "slow", rows[j:j + 1]).as_numpy("y") for j in range(i, 64, 16)]

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(16)))
        after = client.get_inference_statistics("slow")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 64
    assert after["execution_count"] - before["execution_count"] < 64, "some were merged"
    assert max(batch["batch_size"] for batch in after["batch_stats"]) > 1
    for i in range(16):
        assert np.allclose(answers[i][0], alone[i], rtol=1e-3, atol=1e-4), "as if alone"


def test_a_timeout_in_the_queue_is_504(server):
    rows = np.ones((2000, SLOW_WIDTH), dtype=np.float32)
    with client_of(server, concurrency=4) as client:
        busy = [client.async_infer("slow", [input_of("x", "FP32", rows)]) for _ in range(3)]
        with pytest.raises(InferenceServerException) as refused:
            infer(client, "slow", rows[:1], timeout=1)
        assert refused.value.status() == "504"
        for request in busy:
            assert request.get_result().as_numpy("y").shape == rows.shape
        assert infer(client, "slow", rows[:1], timeout=60_000_000, priority=1).as_numpy("y").shape == (1, SLOW_WIDTH)


def test_a_raw_body_is_the_input(server):
    array = np.arange(12, dtype=np.float32).reshape(2, 6)
    answer = requests.post(server.url + "/v2/models/identity_fp32/infer", data=array[:1].tobytes(), timeout=10,
                           headers={"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"})
    # identity_fp32 is batched: the batch is 1 and the other dimension is what the bytes say.
    assert answer.status_code == 200, answer.text
    head = int(answer.headers["Inference-Header-Content-Length"])
    assert np.frombuffer(answer.content[head:], dtype=np.float32).tolist() == array[0].tolist()


def test_repository_control_is_on_the_admin_port(server):
    with client_of(server, admin=True) as admin, client_of(server) as client:
        index = {model["name"]: model for model in admin.get_model_repository_index()}
        assert index["root"]["state"] == "READY" and index["root"]["version"] == "1"
        assert index["broken"]["state"] == "UNAVAILABLE"
        assert "OpenVINO cannot read it" in index["broken"]["reason"] and "/" not in index["broken"]["reason"]
        for _ in range(5):
            admin.unload_model("root")
            assert not client.is_model_ready("root")
            with pytest.raises(InferenceServerException) as refused:
                infer(client, "root", np.ones((1, 2), dtype=np.float32))
            assert refused.value.status() == "503"
            admin.load_model("root")
            assert client.is_model_ready("root")
            assert infer(client, "root", np.full((1, 2), 9, dtype=np.float32)).as_numpy("y").tolist() == [[3, 3]]
        with pytest.raises(InferenceServerException, match="cannot read it"):
            admin.load_model("broken")
        with pytest.raises(InferenceServerException):
            admin.load_model("no_such_model")
        with pytest.raises(InferenceServerException):
            admin.load_model("root", config='{"max_batch_size": 4}')
        with pytest.raises(InferenceServerException):
            client.unload_model("root")
        assert client.is_model_ready("root")


def test_metrics_tell_of_graph_models(server, client):
    infer(client, "fixed", np.ones((2, 3), dtype=np.float32))
    values = server.metrics()
    assert values['millrace_inferences_total{model_name="fixed",model_version="1",outcome="ok"}'] >= 1
    assert values['millrace_inference_seconds_count{model_name="fixed",model_version="1"}'] >= 1
