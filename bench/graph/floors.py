"""What moving pictures between clients and servers leaves of the machine: the bound of every row that has a model behind a wire."""
import functools
import statistics
from dataclasses import dataclass

from common.jobs import Job
from common.measure import Measured, attempt

ROUNDS = 3


def whole():
    """One of the rate's requests, as Row.work has it."""
    return 1


class Floor:
    """A service without a model on one wire, under the same load. `name` is the rows' limit."""

    def __init__(self, name, side):
        self.name, self.side = name, side

    @functools.cached_property
    def rate(self):
        """Requests a second, measured when first asked for; None where it failed."""
        measured = Measured()
        for _ in range(ROUNDS):
            attempt(self.side, measured)
        return statistics.median(run["rate"] for run in measured.runs) if measured.runs else None

    def largest_ratio(self, alone):
        """Of a server's rate to that of the runtime alone: each picture takes the cores for as long as both need them for it."""
        return 1 / (1 + alone / self.rate)


@dataclass
class FlooredJob(Job):
    """Our server against a runtime alone, with what the wire takes."""
    floor: Floor = None

    def limits(self, peer):
        """As result_of() takes them: the largest rate. The note says what it is of the peer's."""
        rates = [run["rate"] for run in peer.runs]
        if not rates or self.floor.rate is None:
            return {}
        alone = statistics.median(rates)
        most = self.floor.largest_ratio(alone)
        self.note = f"{self.floor.name} without a model: {self.floor.rate:,.0f} pictures/s, so the largest ratio is {most:.3f}"
        return {self.floor.name: most * alone}
