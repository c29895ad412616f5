"""Graph models served by Millrace beside the runtime alone, a bare loop and a Python service, in turns, in one go. Prints ratios;
writes bench/results/<date>-graph.json, .md and .svg."""
import argparse
import pathlib
import re
import sys
from dataclasses import dataclass

from common import machine
from common.bars import to_svg
from common.cores import ROOT, first_cores, pin
from common.earlier import rows_of, with_earlier
from common.jobs import result_of
from common.measure import alternate
from common.process import Failure
from common.report import number, to_json, to_markdown
from graph.floors import FlooredJob
from graph.plan import Plan


@dataclass
class Setup:
    binary: pathlib.Path
    models: pathlib.Path
    cores: list
    rounds: int
    seconds: int  # of each measurement
    quick: bool

    @property
    def threads(self):
        return len(self.cores)


def options():
    parser = argparse.ArgumentParser(prog="bench/graph/run.sh", description=__doc__)
    add, path = parser.add_argument, pathlib.Path
    add("--rows", default="", metavar="REGEX", help="only rows whose name this finds, case aside")
    add("--list", action="store_true", help="print the names of the rows and measure nothing")
    add("--rounds", type=int, default=5, metavar="N", help="of each row; the median counts [5]")
    add("--seconds", type=int, default=8, metavar="S", help="of each measurement [8]")
    add("--threads", type=int, default=2, metavar="N", help="cores for all sides, their clients included [2]")
    add("--models", type=path, default=ROOT / "build/bench-models", metavar="DIR", help="graphs, made when missing")
    add("--binary", type=path, default=ROOT / "build/release/millrace", metavar="FILE", help="[build/release/millrace]")
    add("--out", type=path, metavar="FILE", help="the JSON; .md and .svg beside it [bench/results/<date>-graph.json]")
    add("--add", action="store_true", help="rows of --out that are not measured now stay in it")
    return parser.parse_args()


def measure(job, setup):
    try:
        job.file.path()
    except (Failure, OSError) as failure:
        print(f"  {failure}")
        return []
    rounds = min(setup.rounds, job.most_rounds or setup.rounds)
    ours, peer = alternate(job.ours, job.peer, rounds, lambda text: print(text, flush=True))
    limits = job.limits(peer) if isinstance(job, FlooredJob) else {}
    return [result_of(row, job, ours, peer, limits) for row in job.rows]


def write(out, head, rows):
    out.parent.mkdir(parents=True, exist_ok=True)
    title = "Serving graphs"
    out.write_text(to_json(head, rows, []))
    out.with_suffix(".svg").write_text(to_svg(rows, f"Times better than the peer, {head['date']}"))
    out.with_suffix(".md").write_text(to_markdown(head, rows, [], out.with_suffix(".svg").name, title))


def main():
    a = options()
    setup = Setup(binary=a.binary.resolve(), models=a.models.resolve(), cores=first_cores(a.threads), rounds=a.rounds,
                  seconds=a.seconds, quick=False)
    jobs = list(Plan(setup).jobs())
    names = [row.name for job in jobs for row in job.rows]
    jobs = [job for job in jobs if re.search(a.rows, job.rows[0].name, re.IGNORECASE)]
    if a.list or not jobs:
        print("\n".join(row.name for job in jobs for row in job.rows) or "no row has such a name")
        return 0 if jobs else 2
    pin(setup.cores)
    head = machine.head(setup)
    out = a.out or ROOT / "bench" / "results" / f"{head['date']}-graph.json"
    earlier = rows_of(out) if a.add else []
    rows = []
    for i, job in enumerate(jobs):
        print(f"[{i + 1}/{len(jobs)}] {job.rows[0].name}", flush=True)
        found = [{**row, "commit": head["commit"]} for row in measure(job, setup)]
        for row in found:
            verdict = {True: "met", False: "not met", None: "no verdict"}[row["met"]]
            print(f"{row['name']}: {number(row['ours'])} against {number(row['peer'])} {row['unit']}, {number(row['ratio'])}×; "
                  f"goal {row['goal'] or 'none'}: {verdict}" + (f"; {row['note']}" if row["limit_fraction"] else ""), flush=True)
        rows += found
        write(out, head, with_earlier(rows, earlier, names))  # after every job: an interrupted run keeps what it has
    print(f"written: {out}, and .md and .svg beside it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
