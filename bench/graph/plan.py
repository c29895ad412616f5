"""Every comparison of graph serving, with its goal. Nothing is run or made here."""
from common.goals import Goal
from common.jobs import Job, Row
from graph.floors import Floor, FlooredJob, whole
from graph.peers.echo import BareEcho, BareGrpc
from graph.peers.loading import BesideLoads, BesideLoop, InTurns, Pace, Reloaded, TwoModels
from graph.peers.paired import TwoSettings
from graph.peers.runtime import BenchmarkApp
from graph.peers.services import Millrace, MillraceGrpc, PythonService
from graph.requests import of_graph, picture_message
from graph.shapes import GraphFile

PICTURES, REQUESTS = "pictures/s", "requests/s"
ANSWER_BYTES = 260  # about what the identity's answer has: head, JSON and 16 bytes
CLASSES_BYTES = 4_100  # a thousand scores
CLIENTS = 4  # of pictures


class Plan:
    def __init__(self, setup):
        self.setup = setup
        picture = of_graph("mobilenet-v2")
        self.http = Floor("HTTP", BareEcho(setup, Millrace.target, picture, CLASSES_BYTES, CLIENTS), setup.threads)
        self.grpc = Floor("gRPC", BareGrpc(setup, picture_message(), CLASSES_BYTES, CLIENTS), setup.threads)

    def file(self, shape, kind="f32"):
        return GraphFile(self.setup, shape, kind)

    def jobs(self):
        parts = (self.against_runtime, self.against_bare_loop, self.batching, self.against_python, self.loading)
        return [job for part in parts for job in part()]

    def against_runtime(self):
        """The runtime alone, in the mode its own tool takes for throughput; the server has four clients. Beside it what the wire
        alone takes: what is left for a model is bounded by it."""
        wires = ((self.http, Millrace), (self.grpc, MillraceGrpc))
        for shape in ("resnet50", "mobilenet-v2"):
            for kind in ("f32", "int8"):
                file = self.file(shape, kind)
                for floor, side in wires:
                    row = Row(f"{shape} {kind} over {floor.name} against benchmark_app", PICTURES, "rate", Goal(0.97), limit=floor.name,
                              work=whole)
                    yield FlooredJob(side(self.setup, file, CLIENTS), BenchmarkApp(self.setup, file, "throughput"), [row], file,
                                     floor=floor)
        for floor, side in wires:
            yield Job(side(self.setup, file, CLIENTS), floor.side,
                      [Row(f"{shape} {kind} over {floor.name} against a service without a model", PICTURES, "rate")], file,
                      note=f"without a model the peer over {floor.name} takes both cores for 1 ÷ its rate of each picture's time")

    def against_bare_loop(self):
        file, request = self.file("identity"), of_graph("identity")
        for connections in (8, 1):
            ours = Millrace(self.setup, file, connections)
            row = Row(f"identity, {connections} connections against a bare loop", REQUESTS, "rate",
                      Goal(0.7, at_least=60_000) if connections == 8 else None)
            rows = [row] if connections == 8 else [Row("identity, 1 connection, p50", "µs", "p50_us", Goal(more=50), higher=False)]
            yield Job(ours, BareEcho(self.setup, Millrace.target, request, ANSWER_BYTES, connections), rows, file)

    def batching(self):
        file, alone = self.file("wide-mlp"), ("max-batch-size = 1",)
        yield Job(Millrace(self.setup, file, 64), Millrace(self.setup, file, 64, alone),
                  [Row("64 clients, merged against not merged", REQUESTS, "rate", Goal(1.5))], file)
        pair = TwoSettings(self.setup, file, 1, (), alone)
        yield Job(pair.first, pair.second,
                  [Row("1 client, merged against not merged, p50", "µs", "p50_us", Goal(0.95), higher=False)], file)

    def against_python(self):
        for shape in ("resnet50", "mobilenet-v2"):
            file = self.file(shape, "int8")
            yield Job(Millrace(self.setup, file, 32), PythonService(self.setup, file, 32),
                      [Row(f"{shape} int8, 32 clients against ONNX Runtime in FastAPI", PICTURES, "rate", Goal(2))], file)

    def loading(self):
        """A model alone and while another is loaded beside it."""
        comes = self.file("gigabyte")
        for shape in ("mobilenet-v2", "wide-mlp"):
            serves = self.file(shape)
            pace = Pace(TwoModels(self.setup, serves, comes))
            loads = InTurns(BesideLoads(self.setup, serves, comes, pace))
            yield Job(loads.first, loads.second,
                      [Row(f"{shape} at 70 % load while 1 GB is loaded, p99", "µs", "p99_us", Goal(1 / 1.1), higher=False)], serves)
            loop = InTurns(BesideLoop(self.setup, serves, comes, pace))
            yield Job(loop.first, loop.second,
                      [Row(f"{shape} at 70 % load beside an idle-priority loop, p99", "µs", "p99_us", higher=False)], serves,
                      note="what the machine's scheduler takes for work in the background that does not stand still")
        comes = self.file("resnet50")
        yield Job(Reloaded(self.setup, self.file("identity"), comes), None,
                  [Row("memory after 100 loads and unloads", "MiB", "grown_mib", Goal(at_most=32), higher=False)], comes, most_rounds=1)
