"""Programs made by torch itself, served; and what torch's own eager run answers."""
import json
import pathlib
import subprocess

import pytest

from live_server import ROOT, serving

PYTHON = ROOT / ".venv" / "torch" / "bin" / "python"


class Programs:
    def __init__(self, folder, server):
        self.expected = json.loads((folder / "expected.json").read_text())
        self.server = server


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is not there: run scripts/fetch-torch", pytrace=False)
    folder = tmp_path_factory.mktemp("programs")
    subprocess.run([PYTHON, pathlib.Path(__file__).with_name("programs.py"), folder, "packages"], check=True, timeout=600)
    with serving(folder) as server:
        yield Programs(folder, server)
