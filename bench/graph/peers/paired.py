"""Two sides that are measured in short turns within one run: for differences that are smaller than what the machine drifts from one
run to the next."""
import contextlib
import statistics

from graph.peers.services import Millrace


def medians(turns):
    """One figure of each name, from a dictionary a turn."""
    return {name: statistics.median(one[name] for one in turns) for name in turns[0]}


class Pair:
    """`first` and `second` are the sides of a row. Whichever is run first measures both: measure() gives the figures of each."""

    def __init__(self, sides):
        self.sides = sides
        self.first, self.second = (Half(self, i) for i in range(2))
        self.left = [[], []]  # measured and not asked for yet

    def take(self, index):
        if not self.left[index]:
            for kept, figures in zip(self.left, self.measure()):
                kept.append(figures)
        return self.left[index].pop(0)


class Half:
    def __init__(self, pair, index):
        self.pair, self.index = pair, index
        self.program, self.flags = pair.sides[index].program, pair.sides[index].flags

    def version(self):
        return self.pair.sides[self.index].version()

    def run(self):
        return self.pair.take(self.index)


class TwoSettings(Pair):
    """A graph with two settings, each in a server of its own. They are started in turns too: where weights just fit the cache, which
    server has which pages is worth some per cent, and the first gets others than the second."""
    TURNS = 24

    def __init__(self, setup, file, connections, settings, other_settings):
        super().__init__([Millrace(setup, file, connections, lines) for lines in (settings, other_settings)])
        self.seconds = 2 * setup.seconds / self.TURNS
        self.starts_first = 0

    def measure(self):
        found, ports = [[], []], [None, None]
        first, self.starts_first = self.starts_first, 1 - self.starts_first
        with contextlib.ExitStack() as stack:
            for i in (first, 1 - first):
                ports[i], _ = stack.enter_context(self.sides[i].up())
            for turn in range(self.TURNS):
                for i in (0, 1) if turn % 2 == 0 else (1, 0):
                    found[i].append(self.sides[i].figures_at(ports[i], self.seconds))
        return [medians(turns) for turns in found]
