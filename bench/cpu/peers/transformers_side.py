"""A transformers service as tutorials write it, in one of three shapes: threads, processes, asyncio."""
import contextlib
import pathlib
import sys
from importlib import metadata

from common.process import free_port, server

SERVICE = pathlib.Path(__file__).with_name("transformers_service.py")


class Transformers:
    program = SERVICE.name
    model = "model"

    def __init__(self, setup, file, shape):
        self.file = file
        self.flags = [shape, setup.threads]

    def version(self):
        return f"transformers {metadata.version('transformers')}, torch {metadata.version('torch')}"

    @contextlib.contextmanager
    def up(self):
        port = free_port()
        with server([sys.executable, SERVICE, self.file.path(), port, *self.flags], "/health", port) as seconds:
            yield f"http://127.0.0.1:{port}", seconds
