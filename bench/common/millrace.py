"""The binary that is measured, sides that are it, and the commit it is of."""
import subprocess

from common.cores import ROOT
from common.process import Failure, require, run

BUILD = "build it with `make build`, or name it with --binary"


def version(setup):
    return run([setup.binary, "version"], 30).splitlines()[0].strip()


class OurBinary:
    """A side that is the binary of its setup."""

    def __init__(self, setup):
        self.setup = setup

    def require(self):
        require(self.setup.binary, BUILD)

    def version(self):
        return version(self.setup)


def commit():
    try:
        return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"no commit: {error}") from error
