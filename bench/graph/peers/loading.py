"""What loading a model costs the one that serves: times of its requests, and memory that does not come back."""
import contextlib
import functools
import http.client
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time
import urllib.request

from common.millrace import OurBinary
from common.process import Failure, free_port, server_process
from graph.peers.paired import Pair, medians
from graph.programs import http_load, program
from graph.requests import of_graph

CONNECTIONS = 8
SHARE = 0.7  # of what the model answers at most
SETTLED = 5  # rounds until allocators have what they keep
TARGET = "/v2/models/serves/infer"


def post(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    with contextlib.closing(connection):
        connection.request("POST", path)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise Failure(f"{path}: {answer.status} {said[:200]!r}")


def memory_used(admin):
    """What the server accounts for its models."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/models", timeout=60) as answer:
        return json.load(answer)["memory_used_bytes"]


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


class TwoModels(OurBinary):
    """A server that has loaded `serves`, and may load `comes`."""
    program = "millrace serve"

    def __init__(self, setup, serves, comes):
        super().__init__(setup)
        self.serves, self.comes = serves, comes

    @contextlib.contextmanager
    def up(self):
        """Yields the port, the admin port and the process's id."""
        self.require()
        port, admin, grpc = free_port(), free_port(), free_port()
        with tempfile.TemporaryDirectory() as folder:
            for name, file in (("serves", self.serves), ("comes", self.comes)):
                (pathlib.Path(folder) / name).mkdir()
                os.symlink(file.path(), pathlib.Path(folder) / name / "model.onnx")
            with server_process([self.setup.binary, "serve", folder, "--port", port, "--admin-port", admin, "--grpc-port", grpc,
                                 "--threads", self.setup.threads, "--log-level", "warn", "--model-control-mode", "explicit",
                                 "--load-model", "serves"], "/health/ready", port) as (process, _):
                yield port, admin, process


class Pace:
    """Requests a second that are 70 % of what a model answers alone, the least of three tries; measured once, for both sides of a row.
    Binaries are not compared by their rows: each has a pace of its own."""

    def __init__(self, models):
        self.models = models

    @functools.cached_property
    def rate(self):
        return SHARE * min(self.most() for _ in range(3))

    def most(self):
        with self.models.up() as (port, _, _):
            found = http_load(port, CONNECTIONS, self.models.setup.seconds / 2, TARGET, of_graph(self.models.serves.shape))
        return found["requests_per_second"]


class Alone(TwoModels):
    """Times of a model's requests that arrive by chance."""
    what = "alone"

    def __init__(self, setup, serves, comes, pace):
        super().__init__(setup, serves, comes)
        self.pace = pace
        self.flags = [f"{SHARE:.0%} load", self.what]

    def figures_at(self, port, admin):
        rate = self.pace.rate
        with self.meanwhile(admin):
            found = http_load(port, CONNECTIONS, self.setup.seconds / 2, TARGET, of_graph(self.serves.shape), rate)
        return {"p50_us": found["p50_us"], "p99_us": found["p99_us"], "answered": found["requests_per_second"] / rate}

    def meanwhile(self, _admin):
        return contextlib.nullcontext()


class BesideLoads(Alone):
    """The same while the other model is loaded and unloaded over and over."""
    what = "1 GB loaded over and over"

    @contextlib.contextmanager
    def meanwhile(self, admin):
        over = threading.Event()

        def load():
            while not over.is_set():
                post(admin, "/v2/repository/models/comes/load")
                post(admin, "/v2/repository/models/comes/unload")

        thread = threading.Thread(target=load)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class BesideLoop(Alone):
    """The same while a process apart counts at idle priority: it touches no memory and takes no lock, so what it costs is the
    machine's scheduling."""
    what = "a loop of SCHED_IDLE in a process apart"

    @contextlib.contextmanager
    def meanwhile(self, _admin):
        loop = subprocess.Popen([program("idle_loop")])
        try:
            yield
        finally:
            loop.kill()
            loop.wait()


class InTurns(Pair):
    """One server, beside what `disturbed` does and alone, in turns."""
    TURNS = 4

    def __init__(self, disturbed):
        super().__init__([disturbed, Alone(disturbed.setup, disturbed.serves, disturbed.comes, disturbed.pace)])

    def measure(self):
        found = [[], []]
        with self.sides[0].up() as (port, admin, _):
            for turn in range(self.TURNS):
                for i in (0, 1) if turn % 2 == 0 else (1, 0):
                    found[i].append(self.sides[i].figures_at(port, admin))
        return [medians(turns) for turns in found]


class Reloaded(TwoModels):
    """MiB of memory more after many rounds of loading and unloading than after a few."""
    ROUNDS = 100

    def __init__(self, setup, serves, comes):
        super().__init__(setup, serves, comes)
        self.flags = [f"{comes.shape} loaded and unloaded {self.ROUNDS} times"]

    def run(self):
        sizes = []
        with self.up() as (_, admin, process):
            before = memory_used(admin)
            for _ in range(self.ROUNDS):
                post(admin, "/v2/repository/models/comes/load")
                post(admin, "/v2/repository/models/comes/unload")
                deadline = time.monotonic() + 60
                while memory_used(admin) > before and time.monotonic() < deadline:
                    time.sleep(0.01)
                sizes.append(resident_mib(process))
        return {"grown_mib": max(0, sizes[-1] - sizes[SETTLED - 1]), "resident_mib": sizes[-1]}
