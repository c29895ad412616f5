"""Two settings of one graph, each in a server of its own, measured in short turns: for differences that are smaller than what the
machine drifts from one run to the next."""
import contextlib
import statistics

from graph.peers.services import Millrace

TURNS = 24


class Pair:
    """`first` and `second` are the sides of a row. Whichever is run first measures both."""

    def __init__(self, setup, file, connections, settings, other_settings):
        self.sides = [Millrace(setup, file, connections, lines) for lines in (settings, other_settings)]
        self.seconds = setup.seconds
        self.first, self.second = (Half(self, i) for i in range(2))
        self.left = [[], []]  # figures that were measured and not asked for yet

    def take(self, index):
        if not self.left[index]:
            for kept, figures in zip(self.left, self.measure()):
                kept.append(figures)
        return self.left[index].pop(0)

    def measure(self):
        """Figures of each side: medians over the turns."""
        found = [[], []]
        with contextlib.ExitStack() as stack:
            ports = [stack.enter_context(side.up())[0] for side in self.sides]
            for turn in range(TURNS):
                for i in (0, 1) if turn % 2 == 0 else (1, 0):
                    found[i].append(self.sides[i].figures_at(ports[i], 2 * self.seconds / TURNS))
        return [{name: statistics.median(one[name] for one in turns) for name in turns[0]} for turns in found]


class Half:
    def __init__(self, pair, index):
        self.pair, self.index = pair, index
        side = pair.sides[index]
        self.program, self.flags = side.program, [*side.flags, f"{TURNS} turns"]

    def version(self):
        return self.pair.sides[self.index].version()

    def run(self):
        return self.pair.take(self.index)
