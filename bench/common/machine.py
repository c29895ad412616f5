"""The machine's facts and its ceilings, measured in the run that quotes them.

The report's limits come from bench/ceilings.cc, not from `millrace doctor`: a yardstick must not be made of the code that is
measured, nor change with it. The doctor's own figures stand beside them; where they are higher, the ceilings were disturbed.
"""
import datetime
import json
import pathlib
import tempfile

from common.cores import ROOT
from common.millrace import commit
from common.millrace import version as millrace_version
from common.process import Failure, run, run_json

GIGA, TERA = 1e9, 1e12


class Ceilings:
    """Built once; `measure()` takes seconds."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.binary = pathlib.Path(self.folder.name) / "ceilings"
        self.all = []
        self.failure = None
        try:
            run(["g++", "-O3", "-march=native", "-pthread", ROOT / "bench" / "ceilings.cc", "-o", self.binary])
        except Failure as failure:
            self.failure = str(failure)

    def measure(self):
        """{} where they cannot be measured: fractions of limits are then unknown."""
        if self.failure:
            return {}
        try:
            self.all.append(run_json([self.binary], 300))
        except Failure as failure:
            self.failure = str(failure)
            return {}
        return self.all[-1]


def highest(measured):
    """Of several measurements, field by field: neighbours on the machine only ever slow one down."""
    best = {}
    for one in measured:
        for key, values in one.items():
            if key == "threads":
                continue
            best[key] = [max(a, b) for a, b in zip(best.get(key, values), values)]
    return best


def limits(ceilings):
    """Bytes and operations a second of all cores: what rows are held against. The float peak is that of the fastest
    unit for bf16, or of f32 multiply-adds where there is none."""
    def most(unit, *keys):
        values = [ceilings[key][-1] * unit for key in keys if key in ceilings]
        return max(values) if values else None

    return {"memory": most(GIGA, "read_gb_s"), "float": most(TERA, "amx_bf16_tflops", "dot_bf16_tflops", "f32_fma_tflops"),
            "int8": most(TERA, "amx_int8_tops", "dot_int8_tops")}


def doctor(setup):
    """The checks of `millrace doctor` that describe the machine, by name."""
    try:
        document = json.loads(run([setup.binary, "doctor", "--json", *(["--quick"] if setup.quick else [])], 300))
    except (Failure, ValueError) as error:
        return {"failed": str(error)}
    return {check["name"]: check["details"] for check in document["checks"]
            if check["name"] in ("cpu", "kernels", "speed", "memory", "huge pages")}


def facts(setup):
    return {"cores": list(setup.cores), "threads": setup.threads, "doctor": doctor(setup)}


def head(setup):
    now = datetime.datetime.now(datetime.timezone.utc)
    try:
        binary = millrace_version(setup)
    except Failure as failure:
        binary = str(failure)
    return {"date": now.strftime("%Y-%m-%d"), "started": now.isoformat(timespec="seconds"), "commit": commit(),
            "binary": binary, "rounds": setup.rounds, "quick": setup.quick, "machine": facts(setup)}
