"""What a row must reach, and arithmetic on measurements. Pure."""
import statistics
from dataclasses import dataclass

LIMITS = {"memory": "read bandwidth", "float": "bf16 peak", "int8": "int8 peak"}


@dataclass(frozen=True)
class Goal:
    """Met when one of them is reached, and the ratio is not below `floor`."""
    ratio: float = None    # bigger is better for us, always
    limit: float = None    # fraction of what the machine can do
    at_most: float = None  # our own figure
    at_least: float = None
    more: float = None     # our own figure less the peer's, where smaller is better
    floor: float = None    # of the ratio

    def text(self, limit_name=None, higher=True):
        ways = []
        if self.ratio is not None:
            ways.append(f"≥ {self.ratio:g}×" if higher else f"≤ {1 / self.ratio:.3g}× the peer's")
        if self.limit is not None:
            ways.append(f"≥ {100 * self.limit:g} % of {LIMITS[limit_name]}")
        if self.at_most is not None:
            ways.append(f"≤ {self.at_most:g}")
        if self.at_least is not None:
            ways.append(f"≥ {self.at_least:,g}")
        if self.more is not None:
            ways.append(f"≤ the peer's + {self.more:g}")
        text = " or ".join(ways)
        return text if self.floor is None else f"{text}, never below {self.floor:g}×"

    def met(self, ours, ratio, fraction):
        """True, False, or None where what was measured cannot tell."""
        more = ours - ours * ratio if ours is not None and ratio is not None else None
        tests = ((ratio, self.ratio, 1), (fraction, self.limit, 1), (ours, self.at_most, -1), (ours, self.at_least, 1),
                 (more, self.more, -1))
        asked = [(value, wanted, sign) for value, wanted, sign in tests if wanted is not None]
        known = [sign * value >= sign * wanted for value, wanted, sign in asked if value is not None]
        reached = True if any(known) else False if len(known) == len(asked) and asked else None
        if self.floor is None or reached is False:
            return reached
        if ratio is not None and ratio < self.floor:
            return False
        return reached if ratio is not None else None


def ratio(ours, peer, higher=True):
    """Bigger is better for us: ours ÷ peer's, or for latencies and errors peer's ÷ ours."""
    above, below = (ours, peer) if higher else (peer, ours)
    return above / below if above is not None and below else None


@dataclass(frozen=True)
class Series:
    """One figure of one side over the rounds."""
    values: tuple

    @property
    def median(self):
        return statistics.median(self.values) if self.values else None

    def range(self, rounded=lambda value: value):
        return [rounded(min(self.values)), rounded(max(self.values))] if self.values else None


def series(runs, figure):
    """Of the runs that have it."""
    return Series(tuple(run[figure] for run in runs if run.get(figure) is not None))
