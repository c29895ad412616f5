"""A server with small models and pipelines over them, and the official client of it."""
import pathlib
import sys

import pytest
import tritonclient.http as triton

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "kserve"))

from live_server import serving  # noqa: E402
from pipeline_models import make_all  # noqa: E402


def client_of(server, admin=False, **options):
    port = server.admin_port if admin else server.port
    return triton.InferenceServerClient(f"{server.host}:{port}", network_timeout=60, connection_timeout=60, **options)


def input_of(name, array, datatype="FP32"):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with serving(make_all(tmp_path_factory.mktemp("models")), "--trace-every", "0") as started:
        yield started


@pytest.fixture(scope="session")
def client(server):
    with client_of(server, concurrency=8) as made:
        yield made
