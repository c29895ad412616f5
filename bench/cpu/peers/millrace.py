"""Millrace itself: `bench throughput` without HTTP, and `serve`."""
import contextlib
import json
import os
import pathlib
import tempfile

from common.millrace import OurBinary
from common.process import free_port, run, server


class Offline(OurBinary):
    """Prefill, decode and output tokens a second of one model; figures of one run after one warm-up. `only` leaves out
    what a row does not ask for."""
    program = "millrace bench throughput"

    def __init__(self, setup, file, prompt, generate, batch=1, isa="auto", only=None, quantization=None):
        super().__init__(setup)
        self.file, self.tokens = file, batch * generate
        self.flags = ["--prompt", prompt, "--generate", generate, "--batch", batch, "--threads", setup.threads,
                      "--cpu-isa", isa, "--repeat", 1]
        self.flags += ["--only", only] if only else []
        self.flags += ["--quantization", quantization] if quantization else []

    def run(self):
        self.require()
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out.json"
            run([self.setup.binary, "bench", "throughput", self.file.path(), *self.flags, "--json", out])
            row = json.loads(out.read_text())["rows"][0]
        return {"prefill": row["prefill_tokens_per_second"], "decode": row["decode_tokens_per_second"],
                "output": self.tokens / row["seconds"]}


class Server(OurBinary):
    """`millrace serve` with one model, a GGUF file or a folder."""
    program = "millrace serve"
    model = "model"

    def __init__(self, setup, file, users, quantization=None):
        super().__init__(setup)
        self.file = file
        self.flags = ["--max-num-seqs", max(users, 16), "--threads", setup.threads, "--log-level", "warn"]
        self.flags += ["--quantization", quantization] if quantization else []

    @contextlib.contextmanager
    def up(self):
        """Yields the address and the seconds from exec to readiness."""
        self.require()
        path = self.file.path()
        port, admin = free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder) / self.model
            if path.is_dir():
                os.symlink(path, place)
            else:
                place.mkdir()
                os.symlink(path, place / "model.gguf")
            with server([self.setup.binary, "serve", folder, "--port", port, "--admin-port", admin, "--grpc-port", "0", *self.flags],
                        "/health/ready", port) as seconds:
                yield f"http://127.0.0.1:{port}", seconds
