"""What the command line decides: where things are, how long to measure, on which cores."""
import os
import pathlib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclass
class Setup:
    binary: pathlib.Path
    models: pathlib.Path    # random models are made there
    smollm2: pathlib.Path   # the real one, whose tokenizer all of them get
    peers: pathlib.Path     # what bench/peers/build_llamacpp made
    cores: list
    rounds: int
    quick: bool

    @property
    def threads(self):
        return len(self.cores)


def cpu_has(feature):
    """As the kernel names it: "amx_tile", "avx2"."""
    with open("/proc/cpuinfo") as cpuinfo:
        return any(line.startswith("flags") and feature in line.split() for line in cpuinfo)


def pin(cores):
    """This process and every one it starts; both sides of a row run on the same cores."""
    os.sched_setaffinity(0, cores)


def first_cores(count):
    return sorted(os.sched_getaffinity(0))[:count]
