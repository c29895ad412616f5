"""The client under test and the server it is tried on (the simulated engine: exact and fast)."""
import json
import pathlib
import subprocess
import sys

import pytest

from live_server import ROOT, binary, serving, sim_models

sys.path.insert(0, str(ROOT / "bench"))


class Bench:
    """Runs `millrace bench …` in a folder of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def run(self, *args, seconds=120):
        return subprocess.run([str(binary()), "bench", *map(str, args)], cwd=self.folder, capture_output=True, text=True,
                              timeout=seconds)

    def serve(self, url, *args, seconds=120):
        """The JSON of one `bench serve`, the HTML beside it, and what it printed."""
        done = self.run("serve", url, "--json", "out.json", "--html", "out.html", *args, seconds=seconds)
        assert (self.folder / "out.json").exists(), done.stdout + done.stderr
        return json.loads((self.folder / "out.json").read_text()), (self.folder / "out.html").read_text(), done


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def sim(tmp_path_factory):
    models, name = sim_models(tmp_path_factory.mktemp("models"))
    with serving(models) as server:
        server.model = name
        yield server
