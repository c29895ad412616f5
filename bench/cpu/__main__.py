"""Millrace beside its peers on this machine's CPU: the same files and cores, in turns, in one go. Prints ratios; writes
bench/results/<date>-cpu.json, .md and .svg."""
import argparse
import pathlib
import re
import sys

from common import machine
from common.bars import to_svg
from common.cores import ROOT, first_cores, pin
from common.earlier import rows_of, with_earlier
from common.jobs import result_of
from common.measure import alternate
from common.process import Failure
from common.report import number, to_json, to_markdown
from cpu.files import read_through
from cpu.plan import NOT_MEASURED, Plan
from cpu.setup import Setup, add_places


def options():
    parser = argparse.ArgumentParser(prog="bench/cpu/run.sh", description=__doc__)
    add, path = parser.add_argument, pathlib.Path
    add("--rows", default="", metavar="REGEX", help="only rows whose name this finds, case aside")
    add("--list", action="store_true", help="print the names of the rows and measure nothing")
    add("--rounds", type=int, default=5, metavar="N", help="of each row; the median counts [5]")
    add("--quick", action="store_true", help="one round of the smallest shapes: does every row run?")
    add("--threads", type=int, default=2, metavar="N", help="cores for both sides [2]")
    add_places(add)
    add("--peer-dir", type=path, default=ROOT / "build/peers/llamacpp", metavar="DIR",
        help="llama.cpp of bench/peers/build_llamacpp; DIR-avx2 and DIR-avx512 hold narrower builds [build/peers/llamacpp]")
    add("--text", type=path, metavar="FILE", help="accuracy is measured on its first 20,480 tokens [the 2,048 of the goldens]")
    add("--calibration", type=path, metavar="FILE", help="weights of our own kinds are fitted on it [on what the model writes]")
    add("--out", type=path, metavar="FILE", help="the JSON; .md and .svg beside it [bench/results/<date>-cpu.json]")
    add("--add", action="store_true", help="rows of --out that are not measured now stay in it")
    return parser.parse_args()


def selected(jobs, pattern):
    """Jobs that still have a row, with those rows only."""
    wanted = re.compile(pattern, re.IGNORECASE)
    for job in jobs:
        job.rows = [row for row in job.rows if wanted.search(row.name)]
    return [job for job in jobs if job.rows]


def prepare(job):
    """Makes the job's file and reads it once; a failure is a reason for both sides."""
    try:
        if job.file is not None:
            read_through(job.file.path())
    except (Failure, OSError) as failure:
        return str(failure)
    return None


def ceilings_now(job, setup, ceilings):
    """{} where no row of the job is held against them; a quick run measures them once."""
    if not any(row.limit for row in job.rows):
        return {}
    return ceilings.all[-1] if setup.quick and ceilings.all else ceilings.measure()


def measure(job, setup, ceilings):
    """Limits are measured right before and right after, and the higher ones count."""
    problem = prepare(job)
    rounds = 0 if problem else min(setup.rounds, job.most_rounds or setup.rounds)
    before = ceilings_now(job, setup, ceilings)
    ours, peer = alternate(job.ours, job.peer, rounds, lambda text: print(text, flush=True))
    limits = machine.limits(machine.highest([before, ceilings_now(job, setup, ceilings)]))
    if problem:
        ours.reason = peer.reason = problem
    return [result_of(row, job, ours, peer, limits) for row in job.rows]


def say(row):
    ratio = f"{number(row['ratio'])}×" if row["ratio"] is not None else "no ratio"
    verdict = {True: "met", False: "not met", None: "no verdict"}[row["met"]]
    print(f"{row['name']}: {number(row['ours'])} against {number(row['peer'])} {row['unit']}, {ratio}; "
          f"goal {row['goal'] or 'none'}: {verdict}", flush=True)


def write(out, head, rows):
    out.parent.mkdir(parents=True, exist_ok=True)
    svg = out.with_suffix(".svg")
    out.write_text(to_json(head, rows, NOT_MEASURED))
    cpu = head["machine"]["doctor"].get("cpu", {}).get("model", "")
    svg.write_text(to_svg(rows, f"Times better than the peer, {head['date']}, {cpu}"))
    out.with_suffix(".md").write_text(to_markdown(head, rows, NOT_MEASURED, svg.name))


def main():
    a = options()
    setup = Setup(binary=a.binary.resolve(), models=a.models.resolve(), smollm2=a.smollm2.resolve(), peers=a.peer_dir.resolve(),
                  cores=first_cores(a.threads), rounds=1 if a.quick else a.rounds, quick=a.quick, text=a.text,
                  calibration=a.calibration)
    jobs = list(Plan(setup).jobs())
    names = [row.name for job in jobs for row in job.rows]
    jobs = selected(jobs, a.rows)
    if a.list or not jobs:
        print("\n".join(row.name for job in jobs for row in job.rows) or "no row has such a name")
        return 0 if jobs else 2
    pin(setup.cores)
    head = machine.head(setup)
    out = a.out or ROOT / "bench" / "results" / f"{head['date']}-cpu.json"
    earlier = rows_of(out) if a.add else []
    ceilings, rows = machine.Ceilings(), []
    for i, job in enumerate(jobs):
        print(f"[{i + 1}/{len(jobs)}] {job.rows[0].name}", flush=True)
        rows += [{**row, "commit": head["commit"]} for row in measure(job, setup, ceilings)]
        for row in rows[-len(job.rows):]:
            say(row)
        head["machine"]["ceilings"] = machine.highest(ceilings.all)
        write(out, head, with_earlier(rows, earlier, names))  # after every job: an interrupted run keeps what it has
    print(f"written: {out}, and .md and .svg beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
