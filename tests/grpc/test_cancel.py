"""A client that leaves takes its work with it; a server that stops tells its clients."""
import queue
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc

from conftest import channel_of, client_of
from graphs import SLOW_WIDTH, make_all
from live_server import serving
from test_triton_client import input_of

OUTCOME = 'millrace_inferences_total{{model_name="slow",model_version="1",outcome="{}"}}'
PENDING = 'millrace_inferences_pending{model_name="slow",model_version="1"}'
CANCELED = 'nv_inference_request_failure{model="slow",reason="CANCELED",version="1"}'


def await_metric(server, name, at_least, seconds=60):
    deadline = time.monotonic() + seconds
    while server.metrics().get(name, 0) < at_least:
        assert time.monotonic() < deadline, f"{name} stays below {at_least}"
        time.sleep(0.05)


def admitted(server):
    """How many requests the model has taken so far: those that have ended, those that run and those that wait."""
    return sum(value for name, value in server.metrics().items()
               if name.startswith("millrace_inferences_") and 'model_name="slow"' in name)


def await_admitted(server, at_least, seconds=60):
    deadline = time.monotonic() + seconds
    while admitted(server) < at_least:
        assert time.monotonic() < deadline, f"{admitted(server)} were admitted, not {at_least}"
        time.sleep(0.01)


def slow_request(rows, name=""):
    data = np.ones((rows, SLOW_WIDTH), dtype=np.float32).tobytes()
    return service_pb2.ModelInferRequest(model_name="slow", id=name, raw_input_contents=[data], inputs=[
        {"name": "x", "datatype": "FP32", "shape": [rows, SLOW_WIDTH]}])


def test_a_cancelled_call_is_not_computed(server):
    cancelled, before = server.metrics().get(OUTCOME.format("cancelled"), 0), admitted(server)
    with channel_of(server) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        busy = [stub.ModelInfer.future(slow_request(3000)) for _ in range(12)]
        await_admitted(server, before + len(busy))  # large messages are overtaken by small ones
        queued = [stub.ModelInfer.future(slow_request(1)) for _ in range(5)]
        await_admitted(server, before + len(busy) + len(queued))
        for call in queued:
            call.cancel()
        for call in busy:
            assert call.result(timeout=120).outputs[0].name == "y"
        assert all(call.code() == grpc.StatusCode.CANCELLED for call in queued)
    await_metric(server, OUTCOME.format("cancelled"), cancelled + 1)
    assert server.metrics()[CANCELED] >= cancelled + 1, "Triton's name for it"


def test_a_cancelled_stream_takes_its_requests_along(server):
    cancelled = server.metrics().get(OUTCOME.format("cancelled"), 0)
    with client_of(server) as client:
        client.start_stream(lambda result, error: None)
        for i in range(32):
            client.async_stream_infer("slow", [input_of("x", "FP32", np.ones((2000, SLOW_WIDTH), np.float32))], request_id=str(i))
        await_metric(server, PENDING, 1)
        client.stop_stream(cancel_requests=True)
        await_metric(server, OUTCOME.format("cancelled"), cancelled + 1)
        assert client.infer("slow", [input_of("x", "FP32", np.ones((1, SLOW_WIDTH), np.float32))]).as_numpy("y").shape == (1, SLOW_WIDTH)


@pytest.mark.parametrize("timeout", [0, 0.000_001, 0.001])
def test_a_deadline_that_is_over(server, timeout):
    with channel_of(server) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as late:
            stub.ModelInfer(slow_request(500), timeout=timeout)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_running_requests_end_before_the_server_does(tmp_path):
    with serving(make_all(tmp_path)) as own:
        with channel_of(own) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            running = [stub.ModelInfer.future(slow_request(1000)) for _ in range(4)]
            messages = queue.Queue()
            stream = stub.ModelStreamInfer(iter(messages.get, None))
            messages.put(slow_request(1, "s"))
            assert next(stream).infer_response.id == "s"
            await_admitted(own, len(running) + 1)
            own.terminate()
            for call in running:
                assert call.result(timeout=60).outputs[0].name == "y"
            with pytest.raises(grpc.RpcError) as ended:
                next(stream)
            assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
            messages.put(None)
            own.process.wait(30)


def test_an_idle_stream_does_not_hold_the_server(tmp_path):
    with serving(make_all(tmp_path)) as own, client_of(own) as client:
        errors = queue.Queue()
        client.start_stream(lambda result, error: errors.put(error))
        client.async_stream_infer("root", [input_of("x", "FP32", np.ones((1, 2), np.float32))])
        assert errors.get(timeout=30) is None
        own.terminate()
        assert own.process.wait(30) == 0
        assert isinstance(errors.get(timeout=30), triton.InferenceServerException)
