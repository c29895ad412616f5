"""The trainer of the demo models, importable; and once a session what its smallest budget makes."""
import io
import sys

import pytest

from live_server import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from demo_models import making  # noqa: E402

SEED = 3


@pytest.fixture(scope="session")
def made():
    return making.make(SEED, making.QUICK, io.StringIO())
