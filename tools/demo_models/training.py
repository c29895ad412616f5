"""Lowers a loss over pictures drawn beforehand. A batch is cut into SHARDS whatever the machine, so that a seed gives the same steps
with one core and with many; batch norm sees one shard."""
import concurrent.futures
import os
import sys
import time

import numpy as np

SHARDS = 4


def cores():
    return len(os.sched_getaffinity(0))


class Progress:
    """One line that is written over on a terminal; elsewhere a line each tenth."""

    def __init__(self, name, total, out=sys.stderr):
        self.name, self.total, self.out = name, total, out
        self.began = time.monotonic()
        self.shown, self.last = 0.0, -1

    def seconds(self):
        return time.monotonic() - self.began

    def update(self, done, words=""):
        share = done / self.total
        left = self.seconds() / share * (1 - share)
        bar = "#" * round(24 * share)
        text = f"{self.name:<16} [{bar:<24}] {100 * share:3.0f} %  {words}  {int(left) // 60}:{int(left) % 60:02d} left"
        if self.out.isatty():
            if done < self.total and time.monotonic() - self.shown < 0.1:
                return
            self.shown = time.monotonic()
            end = "\n" if done == self.total else ""
            self.out.write(f"\r{text}\x1b[K{end}")
        elif int(10 * share) > self.last:
            self.last = int(10 * share)
            self.out.write(text + "\n")
        self.out.flush()


def in_parallel(function, jobs, progress=None):
    """function(job) of each job, in order."""
    with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
        results = []
        for result in pool.map(function, jobs):
            results.append(result)
            if progress:
                progress.update(len(results))
        return results


def rate_at(share, peak):
    """Rises over the first tenth, then falls along a cosine."""
    if share < 0.1:
        return peak * (0.05 + 0.95 * share / 0.1)
    return peak * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * (share - 0.1) / 0.9)))


def train(network, optimiser, batches, total, step_of, describe, peak, name, out=sys.stderr):
    """`batches` yields lists of SHARDS shards. step_of(network, shard) gives (gradients as sums, weight, figures): gradients of a
    batch are divided by its weight. Figures are shown through `describe`, averaged over the last steps."""
    progress = Progress(name, total, out)
    smooth = None
    with concurrent.futures.ThreadPoolExecutor(min(SHARDS, cores())) as pool:
        for number, shards in zip(range(total), batches):
            parts = list(pool.map(lambda shard: step_of(network, shard), shards))
            weight = max(sum(part[1] for part in parts), 1)
            gradients = []
            for is_running, *each in zip(network.running, *(part[0] for part in parts)):
                gradients.append(sum(each) / (len(parts) if is_running else weight))
            optimiser.step(gradients, rate_at(number / total, peak), pool.map)
            figures = np.sum([part[2] for part in parts], axis=0)
            share = max(0.05, 1 / (number + 1))
            smooth = figures if smooth is None else (1 - share) * smooth + share * figures
            progress.update(number + 1, describe(smooth))
    return progress.seconds()
