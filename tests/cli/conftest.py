"""The command line itself, as a person or a script meets it. Everything runs on loopback and in a home of the test's own."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from hub_standin import Standin  # noqa: E402
from live_server import binary  # noqa: E402

TIMEOUT_SECONDS = 120


class Millrace:
    """The binary, in a folder of the test's own."""

    def __init__(self, folder):
        self.folder = folder
        self.models = folder / "models"
        names = [name for name in os.environ if name.startswith(("MILLRACE_", "HF_")) or name.lower().endswith("_proxy")]
        self.env = {k: v for k, v in os.environ.items() if k not in names}
        self.env.update(HOME=str(folder), XDG_CACHE_HOME=str(folder / "cache"), XDG_STATE_HOME=str(folder / "state"))

    def start(self, *words, **more):
        return subprocess.Popen([str(binary()), *map(str, words)], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def run(self, *words, **more):
        process = self.start(*words, **more)
        try:
            process.out, process.err = process.communicate(timeout=TIMEOUT_SECONDS)
        finally:
            process.kill()
            process.wait()
        return process

    def json(self, *words):
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.err
        return json.loads(done.out)

    def files(self):
        """Everything under the models folder, relative."""
        return sorted(str(p.relative_to(self.models)) for p in self.models.rglob("*") if p.is_file())


@pytest.fixture
def millrace(tmp_path):
    return Millrace(tmp_path)


@pytest.fixture
def hub(millrace):
    standin = Standin()
    millrace.env["HF_ENDPOINT"] = standin.url
    yield standin
    standin.close()
