"""What is measured: a job is two sides run in turns, and the rows that are read off them."""
from dataclasses import dataclass
from typing import Callable

from common.goals import Goal
from common.goals import ratio as ratio_of
from common.goals import series


@dataclass(frozen=True)
class Row:
    name: str
    unit: str
    figure: str                         # its key in what both sides give
    goal: Goal = None
    higher: bool = True                 # bigger figures are better
    limit: str = None                   # of machine.limits(); its fraction is figure × work ÷ limit
    work: Callable[[], float] = None    # bytes or operations a unit of the figure


@dataclass
class Job:
    ours: object  # a side: version(), run() → figures, program, flags
    peer: object  # or None
    rows: list
    file: object = None
    most_rounds: int = None
    note: str = None



def flags_of(side):
    """The program and how it was told to run, less the file and the ports."""
    return " ".join(str(word) for word in (side.program, *side.flags)) if side is not None else None


def rounded(value):
    """Four significant digits: more would be noise."""
    return None if value is None else float(f"{value:.4g}")


def is_impossible(fraction, limit):
    """More operations than the machine can do: its ceilings were disturbed, and no verdict rests on them. More bytes than its
    memory delivers is what caches are for."""
    return fraction is not None and limit != "memory" and fraction > 1.02


def result_of(row, job, ours, peer, limits):
    """The row of the JSON."""
    a, b = series(ours.runs, row.figure), series(peer.runs, row.figure)
    ratio = ratio_of(a.median, b.median, row.higher)
    most = limits.get(row.limit) if row.limit else None
    fraction = a.median * row.work() / most if most and a.median is not None else None
    held = None if is_impossible(fraction, row.limit) else fraction
    reasons = [f"{who}: {side.reason}" for who, side in (("ours", ours), ("peer", peer)) if side.reason]
    if held != fraction:
        reasons.append("the limit: other load disturbed it, it is below what was reached")
    return {"name": row.name, "unit": row.unit, "ours": rounded(a.median), "peer": rounded(b.median),
            "peer_version": peer.version, "ratio": rounded(ratio), "goal": row.goal.text(row.limit, row.higher) if row.goal else None,
            "limit_fraction": rounded(fraction), "limit": row.limit,
            "met": row.goal.met(a.median, ratio, held) if row.goal else None, "bigger_is_better": row.higher,
            "ours_range": a.range(rounded), "peer_range": b.range(rounded),
            "rounds": len(a.values), "our_flags": flags_of(job.ours), "peer_flags": flags_of(job.peer),
            "note": job.note, "reason": "; ".join(reasons) or None}
