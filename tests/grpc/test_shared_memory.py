"""System shared memory by the official client, over HTTP and over gRPC."""
import multiprocessing.shared_memory as shm
import os

import numpy as np
import pytest
import requests
import tritonclient.grpc
import tritonclient.http
import tritonclient.utils.shared_memory as shared
from tritonclient.utils import InferenceServerException

from graphs import make_all
from live_server import serving


@pytest.fixture(params=["grpc", "http"])
def wire(request, server):
    """(module, client) of one of the wires."""
    module = getattr(tritonclient, request.param)
    port = server.grpc_port if request.param == "grpc" else server.port
    with module.InferenceServerClient(f"{server.host}:{port}") as client:
        yield module, client
        client.unregister_system_shared_memory()


@pytest.fixture
def region(wire):
    handle = shared.create_shared_memory_region("region", "/millrace_test_region", 4096)
    yield handle
    shared.destroy_shared_memory_region(handle)


def status_of(client):
    status = client.get_system_shared_memory_status()
    if isinstance(status, list):
        return {one["name"]: (one["key"], one["offset"], one["byte_size"]) for one in status}
    return {name: (one.key, one.offset, one.byte_size) for name, one in status.regions.items()}


def ask(module, client, offset=0, size=32, out_size=32, model="identity_fp32", shape=(2, 4)):
    x = module.InferInput("x", list(shape), "FP32")
    x.set_shared_memory("region", size, offset=offset)
    y = module.InferRequestedOutput("y")
    y.set_shared_memory("region", out_size, offset=1024)
    return client.infer(model, [x], outputs=[y])


def test_tensors_go_through_it(wire, region):
    module, client = wire
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    assert status_of(client) == {}
    client.register_system_shared_memory("region", "/millrace_test_region", 4096)
    assert status_of(client) == {"region": ("/millrace_test_region", 0, 4096)}
    array = np.arange(8, dtype=np.float32).reshape(2, 4)
    shared.set_shared_memory_region(region, [array], offset=64)
    result = ask(module, client, offset=64)
    output = result.get_output("y")
    parameters = output["parameters"] if isinstance(output, dict) else output.parameters
    assert set(parameters) == {"shared_memory_region", "shared_memory_byte_size", "shared_memory_offset"}
    assert (shared.get_contents_as_numpy(region, np.float32, (2, 4), offset=1024) == array).all()
    client.unregister_system_shared_memory("region")
    assert status_of(client) == {}
    with pytest.raises(InferenceServerException, match="no shared memory region"):
        ask(module, client)


def test_one_input_in_it_and_one_beside_it(wire, region):
    module, client = wire
    client.register_system_shared_memory("region", "/millrace_test_region", 256)
    a, b = np.full((1, 4), 7, np.float32), np.full((1, 4), 2, np.float32)
    shared.set_shared_memory_region(region, [a])
    inputs = [module.InferInput(name, [1, 4], "FP32") for name in ("a", "b")]
    inputs[0].set_shared_memory("region", 16)
    inputs[1].set_data_from_numpy(b)
    outputs = [module.InferRequestedOutput("sum"), module.InferRequestedOutput("difference")]
    outputs[0].set_shared_memory("region", 16, offset=100)
    result = client.infer("add_sub", inputs, outputs=outputs)
    assert (result.as_numpy("difference") == 5).all()
    assert (shared.get_contents_as_numpy(region, np.float32, (1, 4), offset=100) == 9).all()


def test_classes_go_through_it(server, wire, region):
    """Triton's client does not ask for that; the protocol does not forbid it."""
    _, client = wire
    client.register_system_shared_memory("region", "/millrace_test_region", 4096)
    parameters = {"classification": 1, "shared_memory_region": "region", "shared_memory_byte_size": 64}
    requests.post(server.url + "/v2/models/classes/infer", timeout=10, json={
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 5], "data": [1, 5, 3, 0, 2]}],
        "outputs": [{"name": "scores", "parameters": parameters}]}).raise_for_status()
    assert region._mpsm_handle.buf[4:15].tobytes() == b"10.000000:1"


@pytest.mark.parametrize("offset, size, out_size", [(4090, 32, 32), (0, 4097, 32), (2**62, 32, 32), (0, 2**62, 32), (0, 16, 32),
                                                    (0, 33, 32), (0, 32, 31), (0, 32, 4096)])
def test_pieces_that_do_not_fit_are_refused(wire, region, offset, size, out_size):
    module, client = wire
    client.register_system_shared_memory("region", "/millrace_test_region", 4096)
    with pytest.raises(InferenceServerException):
        ask(module, client, offset, size, out_size)
    assert ask(module, client).get_output("y") is not None


@pytest.mark.parametrize("key, size", [("/no_such_object", 16), ("/../etc/passwd", 16), ("", 16), ("/a/b", 16),
                                       ("/millrace_test_region", 2**40), ("/millrace_test_region", 0)])
def test_regions_that_are_none_are_refused(wire, region, key, size):
    _, client = wire
    with pytest.raises(InferenceServerException) as refused:
        client.register_system_shared_memory("region", key, size)
    assert "/dev" not in refused.value.message()
    assert status_of(client) == {}


def test_a_name_is_taken_once(wire, region):
    _, client = wire
    client.register_system_shared_memory("region", "/millrace_test_region", 16)
    with pytest.raises(InferenceServerException, match="registered already"):
        client.register_system_shared_memory("region", "/millrace_test_region", 16)


def test_an_object_that_shrinks_does_not_end_the_server(wire):
    module, client = wire
    own = shm.SharedMemory("millrace_test_shrinks", create=True, size=1 << 20)
    try:
        client.register_system_shared_memory("region", "/millrace_test_shrinks", 1 << 20)
        ask(module, client, offset=1 << 19)
        os.truncate("/dev/shm/millrace_test_shrinks", 4096)
        with pytest.raises(InferenceServerException, match="not within region"):
            ask(module, client, offset=1 << 19)
    finally:
        own.close()
        own.unlink()
    assert client.is_server_live()


def test_cuda_is_not_there(wire):
    _, client = wire
    status = client.get_cuda_shared_memory_status()
    assert not (status if isinstance(status, list) else status.regions)
    client.unregister_cuda_shared_memory()
    with pytest.raises(InferenceServerException, match="CUDA"):
        client.register_cuda_shared_memory("c", b"aGFuZGxl", 0, 64)


def test_a_web_page_registers_nothing(server):
    answer = requests.post(server.url + "/v2/systemsharedmemory/region/r/register", timeout=10,
                           json={"key": "/x", "offset": 0, "byte_size": 1}, headers={"Origin": "http://elsewhere"})
    assert answer.status_code == 400 and "web page" in answer.json()["error"]


def test_off_unless_it_is_enabled(tmp_path):
    with serving(make_all(tmp_path)) as plain:
        with tritonclient.grpc.InferenceServerClient(f"{plain.host}:{plain.grpc_port}") as client:
            with pytest.raises(InferenceServerException, match="--enable-shared-memory") as refused:
                client.register_system_shared_memory("region", "/x", 16)
            assert refused.value.status() == "StatusCode.PERMISSION_DENIED"
            with pytest.raises(InferenceServerException, match="--enable-shared-memory"):
                ask(tritonclient.grpc, client)
            assert "system_shared_memory" not in client.get_server_metadata().extensions
        with tritonclient.http.InferenceServerClient(f"{plain.host}:{plain.port}") as client:
            with pytest.raises(InferenceServerException, match="--enable-shared-memory") as refused:
                client.get_system_shared_memory_status()
            assert refused.value.status() == "403"
