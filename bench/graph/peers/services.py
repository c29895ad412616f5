"""Sides that are servers under a closed loop of connections: Millrace, and the Python service."""
import contextlib
import os
import pathlib
import sys
import tempfile
from importlib import metadata

from common.millrace import OurBinary
from common.process import free_port, server
from graph.programs import grpc_load, http_load
from graph.requests import of_graph, picture_message, raw_picture

SERVICE = pathlib.Path(__file__).with_name("python_service.py")


def figures(port, connections, seconds, target, request):
    found = http_load(port, connections, seconds, target, request)
    return {"rate": found["requests_per_second"], "p50_us": found["p50_us"], "p99_us": found["p99_us"]}


class Millrace(OurBinary):
    """`millrace serve` with one graph, asked over KServe's binary HTTP. `settings`: lines of model.toml."""
    program = "millrace serve"
    target = "/v2/models/model/infer"

    def __init__(self, setup, file, connections, settings=()):
        super().__init__(setup)
        self.file, self.connections, self.settings = file, connections, settings
        self.flags = [f"{connections} connections", *settings]

    @contextlib.contextmanager
    def up(self):
        self.require()
        port, admin, grpc = free_port(), free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder) / "model"
            place.mkdir()
            os.symlink(self.file.path(), place / "model.onnx")
            (place / "model.toml").write_text("".join(f"{line}\n" for line in self.settings))
            with server([self.setup.binary, "serve", folder, "--port", port, "--admin-port", admin, "--grpc-port", grpc,
                         "--threads", self.setup.threads, "--log-level", "warn"], "/health/ready", port):
                yield port, grpc

    def run(self):
        with self.up() as (port, _):
            return self.figures_at(port, self.setup.seconds)

    def figures_at(self, port, seconds):
        return figures(port, self.connections, seconds, self.target, of_graph(self.file.shape))


class MillraceGrpc(Millrace):
    """The same over gRPC."""

    def __init__(self, setup, file, connections, settings=()):
        super().__init__(setup, file, connections, settings)
        self.flags = [f"{connections} calls on one channel", *settings]

    def run(self):
        with self.up() as (_, port):
            found = grpc_load(port, self.connections, self.setup.seconds, picture_message())
        return {"rate": found["requests_per_second"], "p50_us": found["p50_us"], "p99_us": found["p99_us"]}


class PythonService:
    program = SERVICE.name

    def __init__(self, setup, file, connections):
        self.setup, self.file, self.connections = setup, file, connections
        self.flags = [f"{connections} connections", f"{setup.threads} threads"]

    def version(self):
        return ", ".join(f"{name} {metadata.version(name)}" for name in ("onnxruntime", "fastapi", "uvicorn"))

    def run(self):
        port = free_port()
        with server([sys.executable, SERVICE, self.file.path(), port, self.setup.threads], "/health", port):
            return figures(port, self.connections, self.setup.seconds, "/infer", raw_picture())
