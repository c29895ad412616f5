"""ONNX's own node tests through the server: what OpenVINO passes in a process of its own passes here, what it does not does
not. Every 16th in an ordinary run, all 1,942 with MILLRACE_SLOW=1. Needs MILLRACE_DATA."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import tarfile

import ml_dtypes
import numpy as np
import pytest
import requests

from conftest import data_folder
from live_server import serving
from onnx_cases import assigned, cases_in, read_case, verdict_of

EVERY = 1 if os.environ.get("MILLRACE_SLOW") else 16
# The runtime cannot compare strings, which the server turns into numbers.
BETTER = {"test_equal_string", "test_equal_string_broadcast"}
MODELS_A_SERVER = 100  # loaded within the time that a server has to start, on a busy machine too
NAMES = {"bool": "BOOL", "float16": "FP16", "bfloat16": "BF16", "float32": "FP32", "float64": "FP64",
         **{f"{kind}int{bits}": f"{kind}int{bits}".upper() for kind in ("", "u") for bits in (8, 16, 32, 64)}}
DTYPES = {**{name: np.dtype(dtype) for dtype, name in NAMES.items() if dtype != "bfloat16"}, "BF16": np.dtype(ml_dtypes.bfloat16)}


def packed(array):
    if array.dtype.kind in "OUS":
        texts = [text if isinstance(text, bytes) else str(text).encode() for text in array.reshape(-1)]
        return "BYTES", b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return NAMES[array.dtype.name], np.ascontiguousarray(array).tobytes()


def unpacked(output, data):
    if output["datatype"] != "BYTES":
        return np.frombuffer(data, DTYPES[output["datatype"]]).reshape(output["shape"])
    texts, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "little")
        texts.append(data[at + 4:at + 4 + length])
        at += 4 + length
    return np.array(texts, dtype=object).reshape(output["shape"])


def infer(server, session, model, inputs):
    """Every output in the model's order, all as binary data."""
    about = session.get(f"{server.url}/v2/models/{model}", timeout=30)
    about.raise_for_status()
    wanted = [tensor["name"] for tensor in about.json()["inputs"]]
    head, tail = {"inputs": [], "parameters": {"binary_data_output": True}}, b""
    for name, array in assigned(inputs, wanted).items():
        datatype, data = packed(array)
        head["inputs"].append({"name": name, "shape": list(array.shape), "datatype": datatype,
                               "parameters": {"binary_data_size": len(data)}})
        tail += data
    text = json.dumps(head).encode()
    answer = session.post(f"{server.url}/v2/models/{model}/infer", data=text + tail, timeout=60,
                          headers={"Inference-Header-Content-Length": str(len(text))})
    answer.raise_for_status()
    at = int(answer.headers["Inference-Header-Content-Length"])
    outputs = []
    for output in json.loads(answer.content[:at])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        outputs.append(unpacked(output, answer.content[at:at + size]))
        at += size
    return outputs


def served(names, cases, folder):
    """{name: verdict} through one server with all of these models."""
    for name in names:
        (folder / name).symlink_to(cases[name])
    verdicts = {}
    with serving(folder) as server, requests.Session() as session:
        index = session.post(server.admin_url + "/v2/repository/index", timeout=30).json()
        states = {model["name"]: model["state"] for model in index}
        for name in names:
            sets = read_case(cases[name])
            if sets is None:
                verdicts[name] = "no tensors"
            elif states.get(name.lower()) != "READY":
                verdicts[name] = "not loaded"
            else:
                verdicts[name] = verdict_of(sets, lambda inputs: infer(server, session, name.lower(), inputs))
    return verdicts


def in_process(names, folder, work):
    (work / "names.json").write_text(json.dumps(names))
    script = pathlib.Path(__file__).with_name("onnx_cases.py")
    subprocess.run([sys.executable, str(script), str(folder), str(work / "names.json"), str(work / "out.json")], check=True,
                   timeout=1800)
    return json.loads((work / "out.json").read_text())


def group_of(name):
    return name.split("_")[1]


@pytest.fixture(scope="module")
def unpacked_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    for archive in sorted(data_folder("E_conformance", "onnx_backend_tests").glob("*.tar.xz")):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return folder


def test_the_same_pass_and_the_same_fail(unpacked_data, tmp_path):
    cases = cases_in(unpacked_data)
    names = list(cases)[::EVERY]
    assert len(cases) == 1942
    ours, theirs = {}, {}
    for start in range(0, len(names), MODELS_A_SERVER):
        part = names[start:start + MODELS_A_SERVER]
        (work := tmp_path / f"part{start}").mkdir()
        (models := work / "models").mkdir()
        theirs.update(in_process(part, unpacked_data, work))
        ours.update(served(part, cases, models))
    groups = collections.defaultdict(collections.Counter)
    for name in names:
        groups[group_of(name)][ours[name]] += 1
    for group, counts in sorted(groups.items()):
        print(f"{group:24} {counts['pass']:4} of {counts.total():4}", dict(counts - collections.Counter(pass_=0)))
    print("server", collections.Counter(ours.values()), "in process", collections.Counter(theirs.values()))
    # Of a type that KServe cannot name, the server must have refused the model.
    expected = {name: "pass" if name in BETTER else "not loaded" if verdict == "inexpressible" else verdict
                for name, verdict in theirs.items()}
    differ = {name: (ours[name], expected[name]) for name in names if ours[name] != expected[name]}
    assert not differ
    assert sum(verdict == "pass" for verdict in ours.values()) > 0.5 * len(names)
