"""Every row is refused exactly as it says, with the tensor named, and a good request right after it is answered."""
import dataclasses
import json
import re
import struct

import numpy as np
import pytest
import requests

LEAKS = re.compile(r"/work|/home|/root|/tmp|/usr|\.cc|\.cpp|0x[0-9a-f]{6,}|std::|boost|exception|openvino", re.I)
INFER = "/v2/models/add_sub/infer"


def tensor(name="a", shape=(1, 4), datatype="FP32", data=(1, 2, 3, 4), **more):
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": list(data), **more}


def body(*inputs, **more):
    return {"inputs": list(inputs) or [tensor("a"), tensor("b")], **more}


def with_a(**changed):
    """The good request with one thing different in input a."""
    a = {**tensor("a"), **changed}
    return body({key: value for key, value in a.items() if value is not ...}, tensor("b"))


def binary(head, tail=b"", length=None):
    text = json.dumps(head).encode()
    return text + tail, {"Inference-Header-Content-Length": str(len(text) if length is None else length)}


def binary_a(size, tail, **more):
    a = {"name": "a", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": size}, **more}
    return binary(body(a, tensor("b")), tail)


def raw(text):
    return text.encode() if isinstance(text, str) else text


@dataclasses.dataclass
class Row:
    name: str
    body: object
    says: str
    status: int = 400
    path: str = INFER
    method: str = "POST"


def one(model, **fields):
    return {"path": f"/v2/models/{model}/infer", "body": body(tensor("x", **fields))}


FLOATS = struct.pack("<4f", 1, 2, 3, 4)
ROWS = [
    Row("empty body", b"", "JSON"),
    Row("not JSON", b"{", "JSON"),
    Row("trailing junk", raw(json.dumps(body()) + "x"), "JSON"),
    Row("NaN in JSON", raw(json.dumps(with_a(data=[float("nan"), 1, 2, 3]))), "JSON"),
    Row("1e400", raw(json.dumps(body()).replace("[1, 2, 3, 4]", "[1e400, 2, 3, 4]")), ""),
    Row("duplicate key", raw('{"inputs": [], "inputs": []}'), "JSON"),
    Row("an array", b"[]", "object"),
    Row("data nested 200 deep", raw('{"inputs":[{"name":"a","shape":[1,4],"datatype":"FP32","data":' + "[" * 200 + "]" * 200 + "}]}"), "deep"),
    Row("no inputs", {}, "'inputs'"),
    Row("inputs no array", {"inputs": {}}, "'inputs'"),
    Row("an input that is a number", {"inputs": [1]}, "'name'"),
    Row("an input without name", {"inputs": [{"shape": [1]}]}, "'name'"),
    Row("input missing", body(tensor("a")), "input 'b' is missing"),
    Row("input twice", body(tensor("a"), tensor("a"), tensor("b")), "input 'a' is given twice"),
    Row("unknown input", body(tensor("a"), tensor("b"), tensor("c")), "no input 'c'"),
    Row("1025 inputs", body(*[tensor(f"i{i}") for i in range(1025)]), "1024"),
    Row("strings for numbers", with_a(datatype="BYTES", data=["a", "b", "c", "d"]), "input 'a' has elements of type bytes"),
    Row("no datatype", with_a(datatype=...), "input 'a': 'datatype'"),
    Row("unknown datatype", with_a(datatype="FP8"), "input 'a': 'datatype'"),
    Row("datatype a number", with_a(datatype=3), "input 'a': 'datatype'"),
    Row("wrong datatype", with_a(datatype="FP64"), "input 'a' has elements of type f64"),
    Row("no shape", with_a(shape=...), "input 'a': 'shape'"),
    Row("shape a string", with_a(shape="1,4"), "input 'a': 'shape'"),
    Row("shape of strings", with_a(shape=["1", "4"]), "input 'a': 'shape'"),
    Row("fractional shape", with_a(shape=[1.5, 4]), "input 'a': 'shape'"),
    Row("negative dimension", with_a(shape=[-1, 4]), "input 'a': 'shape'"),
    Row("dimension 2^63", with_a(shape=[2**63, 4]), "input 'a': 'shape'"),
    Row("product over 2^63", with_a(shape=[2**62, 4]), "input 'a'"),
    Row("product of bytes over 2^63", with_a(shape=[2**60, 4]), "input 'a'"),
    Row("huge shape", with_a(shape=[2**40, 4]), "input 'a'"),
    Row("wrong width", with_a(shape=[2, 2]), "input 'a' has shape [2,2], but the model takes [-1,4]"),
    Row("wrong rank", with_a(shape=[4]), "input 'a' has shape [4]"),
    Row("1000 dimensions", with_a(shape=[1] * 1000), "input 'a' has 1000 dimensions"),
    Row("too few values", with_a(data=[1, 2, 3]), "input 'a' has 12 bytes"),
    Row("too many values", with_a(data=[1, 2, 3, 4, 5]), "input 'a' has 20 bytes"),
    Row("no data", with_a(data=...), "input 'a' has neither"),
    Row("data null", with_a(data=None), "input 'a': 'data'"),
    Row("data a number", with_a(data=4), "input 'a': 'data'"),
    Row("a string among numbers", with_a(data=[1, 2, "3", 4]), "input 'a': 'data' holds a value that is no FP32"),
    Row("a number beyond FP32", with_a(data=[1e39, 2, 3, 4]), "input 'a': 'data'"),
    Row("rows differ", body(tensor("a"), tensor("b", (2, 4), data=range(8))), "input 'b' has 2 rows"),
    Row("FP16 in JSON", **one("identity_fp16", datatype="FP16"), says="binary"),
    Row("BF16 in JSON", **one("identity_bf16", datatype="BF16"), says="binary"),
    Row("256 as UINT8", **one("identity_uint8", datatype="UINT8", data=[256, 0, 0, 0]), says="input 'x'"),
    Row("-1 as UINT64", **one("identity_uint64", datatype="UINT64", data=[-1, 0, 0, 0]), says="input 'x'"),
    Row("2^63 as INT64", **one("identity_int64", datatype="INT64", data=[2**63, 0, 0, 0]), says="input 'x'"),
    Row("1.5 as INT32", **one("identity_int32", datatype="INT32", data=[1.5, 0, 0, 0]), says="input 'x'"),
    Row("1 as BOOL", **one("identity_bool", datatype="BOOL", data=[1, 0, 0, 0]), says="input 'x'"),
    Row("NaN as a JSON output", **one("root", shape=(1, 2), data=[-1, 4]), says="output 'y' holds NaN"),
    Row("sizes that do not go together", body(tensor("a", (1, 4)), tensor("b", (3, 1), data=[1, 2, 3])), "shapes or values",
        path="/v2/models/open_sizes/infer"),
    Row("binary size beyond the body", binary_a(17, FLOATS), "input 'a': 'binary_data_size' is 17, but only 16"),
    Row("binary size 2^62", binary_a(2**62, FLOATS), "input 'a': 'binary_data_size'"),
    Row("binary size 2^64", binary_a(2**64, FLOATS), "input 'a': 'binary_data_size'"),
    Row("negative binary size", binary_a(-1, FLOATS), "input 'a': 'binary_data_size'"),
    Row("binary size a string", binary_a("16", FLOATS), "input 'a': 'binary_data_size'"),
    Row("binary size less than the shape", binary_a(12, FLOATS[:12]), "input 'a' has 12 bytes"),
    Row("binary bytes left over", binary_a(16, FLOATS + b"xx"), "2 bytes"),
    Row("truncated binary", binary_a(16, FLOATS[:15]), "input 'a': 'binary_data_size' is 16, but only 15"),
    Row("binary and JSON data", binary_a(16, FLOATS, data=[1, 2, 3, 4]), "input 'a' has both"),
    *[Row(f"head length {length}", binary(body(), length=length), "Inference-Header-Content-Length")
      for length in ("abc", "-1", str(2**64), "100000", "1.5", "1 2")],
    Row("head length within the JSON", binary(body(), length=10), "JSON"),
    Row("BOOL of 2", binary(body({"name": "x", "shape": [1, 1], "datatype": "BOOL",
        "parameters": {"binary_data_size": 1}}), b"\2"), "input 'x': a boolean", path="/v2/models/identity_bool/infer"),
    Row("unknown output", body(outputs=[{"name": "other"}]), "no output 'other'"),
    Row("output twice", body(outputs=[{"name": "sum"}, {"name": "sum"}]), "output 'sum' is asked for twice"),
    Row("a million outputs", body(outputs=[{"name": "sum"}] * 300_000), ""),
    Row("outputs no array", body(outputs="sum"), "'outputs'"),
    Row("FP16 output as JSON", body({"name": "x", "shape": [1, 1], "datatype": "FP16", "data": [1]}, outputs=[{"name": "y"}]),
        "binary", path="/v2/models/identity_fp16/infer"),
    *[Row(f"classification {k}", body(outputs=[{"name": "sum", "parameters": {"classification": k}}]), "output 'sum': 'classification'")
      for k in (-1, 2**31, 1.5, "3")],
    Row("binary_data a string", body(outputs=[{"name": "sum", "parameters": {"binary_data": "yes"}}]), "output 'sum': 'binary_data'"),
    *[Row(f"{key} {value!r}", body(parameters={key: value}), f"'{key}'")
      for key in ("priority", "timeout") for value in (-1, 2**63, 1.5, "1", True, None)],
    Row("binary_data_output a number", body(parameters={"binary_data_output": 1}), "'binary_data_output'"),
    Row("parameters an array", body(parameters=[]), "'parameters'"),
    Row("sequence", body(parameters={"sequence_id": 5}), "sequences"),
    Row("a reserved parameter", body(parameters={"triton_x": 1}), "reserved"),
    Row("shared memory in", with_a(data=..., parameters={"shared_memory_region": "r", "shared_memory_byte_size": 16}), "shared memory"),
    Row("shared memory out", body(outputs=[{"name": "sum", "parameters": {"shared_memory_region": "r"}}]), "shared memory"),
    Row("id a number", body(id=5), "'id'"),
    Row("id of 1 MB", body(id="x" * 1_000_000), "'id'"),
    Row("raw body of the wrong size", (b"12345", {"Inference-Header-Content-Length": "0"}), "", path="/v2/models/identity_fp32/infer"),
    Row("raw body for two inputs", (FLOATS, {"Inference-Header-Content-Length": "0"}), "one input"),
    Row("unknown model", body(), "model 'none'", 404, "/v2/models/none/infer"),
    Row("unknown version", body(), "no such version", 404, "/v2/models/add_sub/versions/9/infer"),
    Row("a model that did not load", body(), "model 'broken'", 503, "/v2/models/broken/infer"),
    Row("wrong method", b"", "method", 405, INFER, "GET"),
    Row("unknown route", b"", "not found", 404, "/v2/models/add_sub/explain", "GET"),
    Row("repository on the public port", b"", "not found", 404, "/v2/repository/models/add_sub/unload"),
]


def ask(server, row):
    content, headers = row.body if isinstance(row.body, tuple) else (row.body, {})
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    return requests.request(row.method, server.url + row.path, data=content, headers=headers, timeout=30)


def check_row(server, row):
    answer = ask(server, row)
    assert answer.status_code == row.status, answer.text
    error = answer.json()
    assert set(error) == {"error"} and error["error"]
    assert row.says in error["error"], error["error"]
    assert len(error["error"]) < 400
    assert not LEAKS.search(error["error"]), error["error"]
    good = requests.post(server.url + INFER, json=body(), timeout=30)
    assert good.status_code == 200
    assert good.json()["outputs"][0]["data"] == [2, 4, 6, 8]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(server, row):
    check_row(server, row)


@pytest.mark.parametrize("change", [{"status": 422}, {"says": "no such words"}])
def test_a_wrong_answer_is_noticed(server, change):
    """The control: the same check must fail where the table says something else."""
    row = next(row for row in ROWS if row.name == "input missing")
    with pytest.raises(AssertionError):
        check_row(server, dataclasses.replace(row, **change))


def test_nan_goes_in_and_out_as_binary(server):
    values = np.array([[np.nan, -np.inf, np.inf, 1]], dtype=np.float32)
    head = {"name": "x", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
    content, headers = binary(body(head, parameters={"binary_data_output": True}), values.tobytes())
    answer = requests.post(server.url + "/v2/models/identity_fp32/infer", data=content, headers=headers, timeout=10)
    assert answer.status_code == 200
    back = np.frombuffer(answer.content[int(answer.headers["Inference-Header-Content-Length"]):], dtype=np.float32)
    assert back.tobytes() == values.tobytes()


def test_a_large_body_is_413(server):
    answer = requests.post(server.url + INFER, data=b"x" * (64 * 2**20 + 1), timeout=60)
    assert answer.status_code == 413 and "error" in answer.json()


def test_a_web_page_cannot_unload(server):
    answer = requests.post(server.admin_url + "/v2/repository/models/add_sub/unload", headers={"Origin": "http://evil"}, timeout=10)
    assert answer.status_code == 400
    assert requests.get(server.url + "/v2/models/add_sub/ready", timeout=10).status_code == 200
