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
    """A service without a model on one wire, under the same load. `name` is the rows' limit, `cores` what all processes share."""

    def __init__(self, name, side, cores):
        self.name, self.side, self.cores = name, side, cores

    @functools.cached_property
    def runs(self):
        """Measured when first asked for."""
        measured = Measured()
        for _ in range(ROUNDS):
            attempt(self.side, measured)
        return measured.runs

    def median(self, figure):
        """None where it failed or is not measured."""
        values = [run[figure] for run in self.runs if figure in run]
        return statistics.median(values) if values else None

    @property
    def rate(self):
        """Requests a second."""
        return self.median("rate")

    def largest_ratio(self, alone):
        """Of a server's rate to that of the runtime alone: each picture takes the cores for as long as both need them for it."""
        return 1 / (1 + alone / self.rate)

    def ratio_of_a_free_server(self, alone):
        """The same where only the client took processor time, which no server can change; None where that is not measured."""
        cpu_us = self.median("client_cpu_us")
        return None if cpu_us is None else 1 / (1 + alone * cpu_us * 1e-6 / self.cores)


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
        free = self.floor.ratio_of_a_free_server(alone)
        most = self.floor.largest_ratio(alone) if free is None else free
        self.note = f"{self.floor.name} without a model: {self.floor.rate:,.0f} pictures/s"
        self.note += (f", so the largest ratio is {most:.3f}" if free is None else
                      f"; the client's own processor time leaves {free:.3f} to a server that costs nothing")
        return {self.floor.name: most * alone}
