"""Runs the two sides of a job in turns. A side that fails is left out of the later rounds; its reason is kept."""
from dataclasses import dataclass, field

from common.process import Failure


@dataclass
class Measured:
    """What one side gave: a dictionary of figures a round, or why there are none."""
    runs: list = field(default_factory=list)
    reason: str = None
    version: str = None


def attempt(side, measured):
    if measured.reason:
        return
    try:
        if measured.version is None:
            measured.version = side.version()
        measured.runs.append(side.run())
    except (Failure, ImportError, OSError, ValueError, KeyError) as error:
        measured.reason = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"


def alternate(ours, peer, rounds, say=lambda text: None):
    """Who begins changes with every round, so that drift of the machine falls on both."""
    results = {"ours": Measured(), "peer": Measured()}
    sides = {"ours": ours, "peer": peer}
    for i in range(rounds):
        for name in ("ours", "peer") if i % 2 == 0 else ("peer", "ours"):
            if sides[name] is None:
                continue
            before = len(results[name].runs)
            attempt(sides[name], results[name])
            if len(results[name].runs) > before:
                figures = ", ".join(f"{key} {value:.4g}" for key, value in results[name].runs[-1].items())
                say(f"  round {i + 1} {name}: {figures}")
            elif results[name].reason:
                say(f"  round {i + 1} {name}: {results[name].reason}")
    return results["ours"], results["peer"]
