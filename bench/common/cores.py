"""Where the repository is, and on which cores both sides of a row run."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def cpu_has(feature):
    """As the kernel names it: "amx_tile", "avx2"."""
    with open("/proc/cpuinfo") as cpuinfo:
        return any(line.startswith("flags") and feature in line.split() for line in cpuinfo)


def pin(cores):
    """This process and every one it starts; both sides of a row run on the same cores."""
    os.sched_setaffinity(0, cores)


def first_cores(count):
    return sorted(os.sched_getaffinity(0))[:count]
