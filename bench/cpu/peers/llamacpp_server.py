"""llama-server: as many slots as users, each with room for one request."""
import contextlib

from common.process import free_port, server
from cpu.peers.llamacpp import LlamaCpp

SLOT = 1024  # tokens


class LlamaServer(LlamaCpp):
    program = "llama-server"
    model = "model"

    def __init__(self, setup, file, users):
        super().__init__(setup)
        self.file = file
        self.flags = ["-np", users, "-c", SLOT * users, "-t", setup.threads, "--no-ui", "-fa", "auto"]

    @contextlib.contextmanager
    def up(self):
        self.require()
        port = free_port()
        with server([self.binary, "-m", self.file.path(), "--port", port, *self.flags], "/health", port) as seconds:
            yield f"http://127.0.0.1:{port}", seconds
