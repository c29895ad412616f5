"""Graphs of ours over TensorFlow Serving's API: forms of request and answer, refusals, and OpenAI's clients beside it."""
import concurrent.futures
import json
import socket

import pytest
import requests

from live_server import serving


def test_named_inputs_and_outputs(graphs):
    rows = graphs.post("add_sub:predict", {"instances": [{"a": [1, 2, 3, 4], "b": [1, 1, 1, 1]}, {"a": [5] * 4, "b": [2] * 4}]})
    assert rows.json() == {"predictions": [{"sum": [2, 3, 4, 5], "difference": [0, 1, 2, 3]},
                                           {"sum": [7] * 4, "difference": [3] * 4}]}
    columns = graphs.post("add_sub:predict", {"inputs": {"a": [[1, 2, 3, 4]], "b": [[1, 1, 1, 1]]}})
    assert columns.json() == {"outputs": {"sum": [[2, 3, 4, 5]], "difference": [[0, 1, 2, 3]]}}


@pytest.mark.parametrize("model, values", [
    ("identity_bool", [[True, False]]), ("identity_int8", [[-128, 127]]), ("identity_uint8", [[0, 255]]),
    ("identity_int32", [[-2147483648, 2147483647]]), ("identity_fp32", [[0.1, -3.0]]), ("identity_fp64", [[0.5, 1e300]])])
def test_types(graphs, model, values):
    answer = graphs.post(model + ":predict", {"instances": values})
    assert answer.status_code == 200, answer.text
    got = answer.json()["predictions"]
    assert got == values or all(abs(g - v) < 1e-6 for g, v in zip(got[0], values[0]))
    assert [type(g) for g in got[0]] == [type(v) for v in values[0]]


def test_nan_comes_back_as_tensorflow_serving_writes_it(graphs):
    assert graphs.post("root:predict", {"instances": [[-1.0, 4.0]]}).text == '{"predictions":[[NaN,2.0]]}'


def test_classify(graphs):
    answer = graphs.post("classes:classify", {"examples": [{"x": [1, 2, 3, 4, 5]}, {"x": [0, 0, 0, 0, 1]}]})
    assert answer.json() == {"results": [[["", 2], ["", 4], ["", 6], ["", 8], ["", 10]], [["", 0]] * 4 + [["", 2]]]}


def test_a_model_that_failed_has_a_state(graphs):
    (version,) = graphs.get("broken").json()["model_version_status"]
    assert version["state"] == "END" and version["status"]["error_code"] == "UNKNOWN"
    assert "model.onnx" in version["status"]["error_message"]
    assert graphs.post("broken:predict", {"instances": [[1]]}).status_code == 503


ROW = {"a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}
HOSTILE = {  # name: (model and verb, body, status, what the message holds)
    "no such model": ("none:predict", {"instances": [1]}, 404, "'none'"),
    "no such version": ("add_sub/versions/9:predict", {"instances": [ROW]}, 404, "version"),
    "no such label": ("add_sub/labels/canary:predict", {"instances": [ROW]}, 404, "a label of [version-labels]"),
    "a name with a slash": ("org%2Fadd_sub:predict", {"instances": [ROW]}, 404, "does not exist"),
    "empty": ("add_sub:predict", b"", 400, "JSON"),
    "no JSON": ("add_sub:predict", b"{'instances': []}", 400, "JSON"),
    "cut off": ("add_sub:predict", b'{"instances": [[1', 400, "JSON"),
    "not UTF-8": ("add_sub:predict", b'{"instances": ["\xff"]}', 400, "JSON"),
    "a list": ("add_sub:predict", b"[]", 400, "object"),
    "twice the same key": ("add_sub:predict", b'{"instances": [], "instances": []}', 400, "duplicate"),
    "deep": ("add_sub:predict", b'{"instances": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "nested"),
    "very deep": ("add_sub:predict", b'{"instances": ' + b"[" * 1_000_000, 400, "nested"),
    "neither": ("add_sub:predict", {}, 400, "neither"),
    "both": ("add_sub:predict", {"instances": [ROW], "inputs": ROW}, 400, "both"),
    "no rows": ("add_sub:predict", {"instances": []}, 400, "instances"),
    "rows without names": ("add_sub:predict", {"instances": [[1, 2, 3, 4]]}, 400, "2 inputs"),
    "a name is missing": ("add_sub:predict", {"instances": [{"a": [1, 2, 3, 4]}]}, 400, "'b' is missing"),
    "a name too many": ("add_sub:predict", {"instances": [{**ROW, "c": 1}]}, 400, "'c'"),
    "rows of two lengths": ("add_sub:predict", {"instances": [ROW, {"a": [1, 2, 3], "b": [1, 2, 3, 4]}]}, 400, "'a'"),
    "columns of two lengths": ("add_sub:predict", {"inputs": {"a": [[1] * 4] * 2, "b": [[1] * 4]}}, 400, "rows"),
    "too wide": ("add_sub:predict", {"instances": [{"a": [1] * 5, "b": [1] * 5}]}, 400, "shape [1,5]"),
    "nine dimensions": ("identity_fp32:predict", b'{"instances": ' + b"[" * 9 + b"1" + b"]" * 9 + b"}", 400, "dimensions"),
    "text": ("identity_fp32:predict", {"instances": [["a"]]}, 400, "FP32"),
    "null": ("identity_fp32:predict", {"instances": [[None]]}, 400, "FP32"),
    "a fraction": ("identity_int32:predict", {"instances": [[1.5]]}, 400, "INT32"),
    "out of range": ("identity_int8:predict", {"instances": [[128]]}, 400, "INT8"),
    "NaN for an integer": ("identity_int32:predict", b'{"instances": [[NaN]]}', 400, "NaN"),
    "half precision": ("identity_fp16:predict", {"instances": [[1]]}, 400, "FP16"),
    "base64 for a number": ("identity_fp32:predict", {"instances": [{"b64": "AAAA"}]}, 400, "binary"),
    "another signature": ("identity_fp32:predict", {"signature_name": "x" * 1000, "instances": [[1]]}, 400, "serving_default"),
    "nothing to regress": ("add_sub:regress", {"examples": [ROW]}, 400, "regress"),
    "nothing to classify": ("add_sub:classify", {"examples": [ROW]}, 400, "classify"),
    "no examples": ("add_sub:classify", {"instances": [ROW]}, 400, "examples"),
    "another verb": ("add_sub:infer", {"instances": [ROW]}, 405, ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(graphs, name):
    path, body, status, says = HOSTILE[name]
    answer = graphs.post(path, body)
    assert answer.status_code == status, answer.text
    (message,) = answer.json().values()
    assert list(answer.json()) == ["error"] and says in message and len(message) < 300
    good = graphs.post("add_sub:predict", {"instances": [ROW]})
    assert good.json()["predictions"][0]["sum"] == [2, 4, 6, 8]


def test_a_body_over_the_limit(graphs):
    with socket.create_connection((graphs.server.host, graphs.server.port), timeout=30) as peer:
        peer.sendall(b"POST /v1/models/add_sub:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % ((64 << 20) + 1))
        answer = peer.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 413 ") and '{"error":"' in answer


def test_many_at_once_get_their_own_rows(graphs):
    def ask(i):
        answer = graphs.post("classes:predict", {"instances": [[i] * 5] * (1 + i % 3)})
        return answer.json() == {"predictions": [[2 * i] * 5] * (1 + i % 3)}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(200)))


def test_openai_clients_are_answered_beside_it(tmp_path):
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "sim.model").write_text("")
    with serving(tmp_path) as server:
        model = requests.get(server.url + "/v1/models/sim", timeout=10).json()
        assert (model["id"], model["object"]) == ("sim", "model")
        refused = requests.post(server.url + "/v1/models/sim:predict", json={"instances": [1]}, timeout=10)
        assert refused.status_code == 400 and "does not take tensors" in refused.json()["error"]
        unknown = requests.get(server.url + "/v1/models/none", timeout=10)
        assert unknown.status_code == 404 and json.loads(unknown.text)["error"]["code"] == "model_not_found"
