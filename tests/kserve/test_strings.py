"""Strings that graphs move and compare: BYTES both ways, as JSON and as binary data."""
import concurrent.futures

import numpy as np
import pytest
import requests
from onnx import TensorProto, helper
from tritonclient.utils import InferenceServerException

from conftest import client_of
from graphs import save, tensor
from live_server import serving
from test_clients import infer

LABELS = ["cat", "a label that is longer than sixteen bytes", "dog"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strings")
    text, f32 = TensorProto.STRING, TensorProto.FLOAT
    save(folder, "strings", [helper.make_node("Identity", ["x"], ["y"])], [tensor("x", text, ["n"])], [tensor("y", text, ["n"])])
    labels = helper.make_tensor("labels", text, [3], [label.encode() for label in LABELS])
    save(folder, "labels",
         [helper.make_node("ArgMax", ["x"], ["best"], axis=1, keepdims=0), helper.make_node("Gather", ["labels", "best"], ["y"])],
         [tensor("x", f32, ["n", 3])], [tensor("y", text, ["n"])], [labels])
    with serving(folder) as started:
        yield started


@pytest.fixture(scope="module")
def client(server):
    with client_of(server, concurrency=8) as made:
        yield made


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_they_come_back_as_they_went(client, binary_in, binary_out):
    texts = ["a", "", "x" * 5000, "gr\u00fc\u00df", "a"]
    array = np.array([text.encode() for text in texts], dtype=object)
    back = infer(client, "strings", array, "BYTES", binary_in, binary_out).as_numpy("y")
    assert [one if isinstance(one, bytes) else one.encode() for one in back] == array.tolist()


def test_bytes_that_are_no_text_go_as_binary_data(client):
    array = np.array([b"\xff\x00\xfe", b"\x80"], dtype=object)
    assert infer(client, "strings", array, "BYTES").as_numpy("y").tolist() == array.tolist()
    with pytest.raises(InferenceServerException, match="output 'y'") as refused:
        infer(client, "strings", array, "BYTES", True, False)
    assert refused.value.status() == "400"


def test_labels_of_rows_that_were_merged(server, client):
    about = client.get_model_metadata("labels")
    assert (about["outputs"][0]["datatype"], about["outputs"][0]["shape"]) == ("BYTES", [-1])
    assert client.get_model_config("labels")["max_batch_size"] > 1

    def ask(i):
        rows = np.eye(3, dtype=np.float32)[[i % 3, (i + 1) % 3]]
        with client_of(server) as own:
            return infer(own, "labels", rows).as_numpy("y").tolist() == [LABELS[i % 3].encode(), LABELS[(i + 1) % 3].encode()]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(64)))


def test_malformed_strings(server):
    for data in (b"\x05\x00\x00\x00abc", b"\x01\x00\x00", b"\x01\x00\x00\x00ab", b"\xff\xff\xff\xff"):
        head = ('{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":%d}}]}' % len(data)).encode()
        answer = requests.post(server.url + "/v2/models/strings/infer", data=head + data, timeout=10,
                               headers={"Inference-Header-Content-Length": str(len(head))})
        assert answer.status_code == 400 and "'x'" in answer.text, answer.text
