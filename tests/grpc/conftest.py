"""A server with the small models of tests/kserve/graphs.py on its gRPC port, and the official clients of it."""
import os
import pathlib
import subprocess
import sys

import grpc
import pytest
import tritonclient.grpc as triton

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "kserve"))
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tfserving"))  # saved_models
from graphs import make_all  # noqa: E402
from live_server import ROOT, serving  # noqa: E402


def data_folder(*parts):
    """A folder of the optional test data (MILLRACE_DATA), or a skip."""
    root = os.environ.get("MILLRACE_DATA")
    folder = pathlib.Path(root, *parts) if root else None
    if folder is None or not folder.exists():
        pytest.skip(f"needs test data: set MILLRACE_DATA to a folder with {'/'.join(parts)}")
    return folder


def client_of(server):
    return triton.InferenceServerClient(f"{server.host}:{server.grpc_port}")


def channel_of(server, *options):
    # Without the first, channels to one server share a connection.
    return grpc.insecure_channel(f"{server.host}:{server.grpc_port}", options=[
        ("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1), *options])


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with serving(make_all(tmp_path_factory.mktemp("models")), "--enable-shared-memory") as started:
        yield started


@pytest.fixture(scope="session")
def client(server):
    with client_of(server) as made:
        yield made


@pytest.fixture(scope="session")
def channel(server):
    with channel_of(server) as made:
        yield made


@pytest.fixture(scope="session")
def tf(tmp_path_factory):
    """TensorFlow Serving's messages and stubs, made from our .proto files: (tensorflow_pb2, tf_serving_pb2, tf_serving_pb2_grpc)."""
    out = tmp_path_factory.mktemp("stubs")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'src' / 'api' / 'grpc' / 'proto'}",
                    f"--python_out={out}", f"--grpc_python_out={out}", "tensorflow.proto", "tf_serving.proto"], check=True)
    sys.path.insert(0, str(out))
    import tensorflow_pb2
    import tf_serving_pb2
    import tf_serving_pb2_grpc
    return tensorflow_pb2, tf_serving_pb2, tf_serving_pb2_grpc
