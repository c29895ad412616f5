"""A server with TensorFlow Serving's own test models (MILLRACE_DATA) or, without them, small graphs of ours."""
import os
import pathlib
import sys

import pytest
import requests

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "kserve"))

from graphs import make_all  # noqa: E402
from live_server import serving  # noqa: E402


def test_models():
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


@pytest.fixture(scope="session")
def half_plus_two(tmp_path_factory):
    source, models = test_models(), tmp_path_factory.mktemp("models")
    for name, folder in {"half_plus_two": "saved_model_half_plus_two_tf2_cpu",
                         "lite": "saved_model_half_plus_two_tflite"}.items():
        (models / name).symlink_to(source / folder)
    with serving(models) as started:
        yield Rest(started)
