"""A server with the small models of graphs.py, and the official client of it."""
import os
import pathlib

import pytest
import tritonclient.http as triton

from graphs import make_all
from live_server import serving


def data_folder(*parts):
    """A folder of the optional test data (MILLRACE_DATA), or a skip."""
    root = os.environ.get("MILLRACE_DATA")
    folder = pathlib.Path(root, *parts) if root else None
    if folder is None or not folder.exists():
        pytest.skip(f"needs test data: set MILLRACE_DATA to a folder with {'/'.join(parts)}")
    return folder


def client_of(server, admin=False, **options):
    port = server.admin_port if admin else server.port
    return triton.InferenceServerClient(f"{server.host}:{port}", network_timeout=60, connection_timeout=60, **options)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with serving(make_all(tmp_path_factory.mktemp("models"))) as started:
        yield started


@pytest.fixture(scope="session")
def client(server):
    with client_of(server, concurrency=8) as made:
        yield made
