"""Servers with TensorFlow Serving's example model and with the small graphs of the KServe suite."""
import os
import pathlib
import sys

import numpy as np
import onnx
import pytest
import requests
from onnx import TensorProto, helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "kserve"))

from graphs import constant, make_all  # noqa: E402
from live_server import serving  # noqa: E402


def recorded_models():
    """The folder of TensorFlow Serving's test models, or a skip."""
    root = os.environ.get("MILLRACE_DATA")
    folder = pathlib.Path(root, "A_models", "tf_serving_testdata") if root else None
    if folder is None or not folder.exists():
        pytest.skip("needs test data: set MILLRACE_DATA to a folder with A_models/tf_serving_testdata")
    return folder


class Rest:
    """The API of one server as a client of TensorFlow Serving asks it."""

    def __init__(self, server):
        self.url = server.url + "/v1/models/"
        self.server = server

    def get(self, path, **more):
        return requests.get(self.url + path, timeout=30, **more)

    def post(self, path, body):
        return requests.post(self.url + path, timeout=60, **({"json": body} if isinstance(body, dict) else {"data": body}))


@pytest.fixture(scope="session")
def graphs(tmp_path_factory):
    with serving(make_all(tmp_path_factory.mktemp("graphs"))) as started:
        yield Rest(started)


def save_half_plus_two(folder):
    """TensorFlow Serving's example, y = x / 2 + 2, as a graph that says what its SavedModel says."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Mul", ["x", "a"], ["ax"]), helper.make_node("Add", ["ax", "b"], ["y"])],
                              "half_plus_two", [x], [y], initializer=[constant("a", np.float32(0.5)), constant("b", np.float32(2))])
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(folder / "model.onnx"))


@pytest.fixture(scope="session")
def half_plus_two(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    save_half_plus_two(models / "half_plus_two" / "00000123")
    with serving(models) as started:
        yield Rest(started)


@pytest.fixture(scope="session")
def lite(tmp_path_factory):
    models = tmp_path_factory.mktemp("lite")
    (models / "lite").symlink_to(recorded_models() / "saved_model_half_plus_two_tflite")
    with serving(models) as started:
        yield Rest(started)
