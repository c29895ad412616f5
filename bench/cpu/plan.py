"""Every comparison, with its goal. Nothing is run or made here."""
from dataclasses import dataclass

from common.cores import cpu_has
from common.goals import Goal
from common.jobs import Job, Row
from cpu.accuracy import FittedDivergence, LlamaDivergence, OurDivergence
from cpu.files import Gpt2Folder, ModelFile, RealKind, layer_parameters
from cpu.layers import OurLayers
from cpu.peers.llamacpp_batched import LlamaBatched
from cpu.peers.llamacpp_bench import LlamaBench
from cpu.peers.llamacpp_server import LlamaServer
from cpu.peers.millrace import Offline, Server
from cpu.peers.openvino_side import OpenVino
from cpu.peers.transformers_side import Transformers
from cpu.serving import ColdStart, Loaded
from cpu.tokenizer import HfTokenizer, OurTokenizer

TOKENS = "tok/s"
SMOLLM2, HALF, ONE = "smollm2-135m", "qwen2.5-0.5b", "llama3.2-1b"

# kind: goals of prefill and decode. The 8-bit prefill goal differs by shape.
PREFILL = {"q4_0": Goal(6, 0.50), "q4_k_m": Goal(6, 0.50), "bf16": Goal(10, 0.60)}
PREFILL_8BIT = {HALF: Goal(6, 0.55), ONE: Goal(8, 0.55)}
DECODE = {"q8_0": Goal(limit=0.95, floor=1), "q4_0": Goal(1.4, 0.90), "q4_k_m": Goal(1.9, 0.90), "bf16": Goal(1.4, 0.92)}
DECODE_BATCH = {8: Goal(2.2, 0.45), 32: Goal(6, 0.45)}
KINDS = ("q8_0", "q4_0", "q4_k_m", "bf16")
REAL_KINDS = ("q4_1", "q8_0", "q4_0", "q4_k_m", "q6_k", "bf16")  # of the real SmolLM2

# What the goals name and no command can measure yet.
NOT_MEASURED = [
    ("10,000 queued requests, scheduler µs at 1,024 sequences", "no peer has it; the engine's own tests do"),
]


def float_work(file):
    return lambda: 2.0 * layer_parameters(file.shape)


def prefill_row(file, name, goal):
    return Row(name, TOKENS, "prefill", goal, limit="float", work=float_work(file))


def decode_row(file, name, goal):
    return Row(name, TOKENS, "decode", goal, limit="memory", work=file.step_bytes)


@dataclass(frozen=True)
class Loads:
    shapes: tuple
    prompt: int          # tokens, of prefill rows
    generate: int
    batches: tuple
    users: int           # of the serving rows
    service_users: tuple
    service_output: int
    context: int         # of the long one


FULL = Loads((HALF, ONE), 512, 64, (8, 32), 16, (5, 32), 32, 32_000)
QUICK = Loads((SMOLLM2,), 32, 4, (2,), 2, (2,), 4, 256)


class Plan:
    def __init__(self, setup):
        self.setup = setup
        self.loads = QUICK if setup.quick else FULL

    def file(self, shape, kind):
        return ModelFile(self.setup, shape, kind)

    def jobs(self):
        parts = (self.prefill, self.decode, self.batches, self.smollm2, self.serving, self.openvino, self.services, self.other_isas,
                 self.wide_context, self.cold_starts, self.accuracy, self.layers, self.own_kinds, self.tokenizer)
        return [job for part in parts for job in part()]

    def prefill_job(self, file, name, goal, isa="auto", folder=None):
        return Job(Offline(self.setup, file, self.loads.prompt, 1, isa=isa, only="prefill"),
                   LlamaBench(self.setup, file, prompt=self.loads.prompt, folder=folder),
                   [prefill_row(file, name, goal)], file)

    def decode_job(self, file, name, goal, isa="auto", folder=None):
        return Job(Offline(self.setup, file, 1, self.loads.generate, isa=isa, only="decode"),
                   LlamaBench(self.setup, file, generate=self.loads.generate, folder=folder),
                   [decode_row(file, name, goal)], file)

    def prefill(self):
        for kind in KINDS:
            for file in (self.file(shape, kind) for shape in self.loads.shapes):
                goal = PREFILL_8BIT.get(file.shape) if kind == "q8_0" else PREFILL[kind]
                yield self.prefill_job(file, f"prefill {self.loads.prompt}, {file.short} {kind}", goal)

    def decode(self):
        for kind in KINDS:
            for file in (self.file(shape, kind) for shape in self.loads.shapes):
                yield self.decode_job(file, f"decode 1 user, {file.short} {kind}", DECODE[kind])

    def batches(self):
        for batch in self.loads.batches:
            for file in (self.file(shape, "q8_0") for shape in self.loads.shapes):
                row = Row(f"decode batch {batch}, {file.short} q8_0", TOKENS, "decode", DECODE_BATCH.get(batch), limit="float",
                          work=float_work(file))
                yield Job(Offline(self.setup, file, 128, self.loads.generate, batch),
                          LlamaBatched(self.setup, file, 128, self.loads.generate, batch), [row], file)

    def smollm2(self):
        file = self.file(SMOLLM2, "q4_1")
        yield self.prefill_job(file, f"prefill {self.loads.prompt}, {file.short} q4_1", Goal(5, 0.45))
        yield self.decode_job(file, f"decode 1 user, {file.short} q4_1", Goal(1.4, 0.90))

    def serving(self):
        users = self.loads.users
        for file in (self.file(SMOLLM2, "q4_1"), self.file(self.loads.shapes[0], "q8_0")):
            what = f"serving {users} users, {file.short} {file.kind}"
            rows = [Row(f"{what}, output", TOKENS, "output", Goal(5)),
                    Row(f"{what}, TTFT p50", "ms", "ttft_p50", higher=False),
                    Row(f"{what}, TTFT p99", "ms", "ttft_p99", Goal(5), higher=False),
                    Row(f"{what}, inter-token p50", "ms", "itl_p50", higher=False),
                    Row(f"{what}, inter-token p99", "ms", "itl_p99", Goal(2), higher=False)]
            sides = [Loaded(server(self.setup, file, users), users, 1 if self.setup.quick else 2, 128, self.loads.generate)
                     for server in (Server, LlamaServer)]
            yield Job(*sides, rows, file)

    def openvino(self):
        for file in (self.file(shape, "q8_0") for shape in self.loads.shapes):
            for users in (1, self.loads.users):
                load = (128, self.loads.generate, users)
                row = Row(f"OpenVINO GenAI, {users} at once, {file.short} q8_0", TOKENS, "output", Goal(1.2))
                yield Job(Offline(self.setup, file, *load), OpenVino(self.setup, file, *load), [row], file)

    def services(self):
        """A service that answers one after another needs no more than one request a user to show its pace. Ours twice: with
        the file's f32 weights, which few users spend their time reading, and rounded to bf16, as others load such files."""
        file = Gpt2Folder(self.setup)
        for kind in (None, "bf16"):
            weights = f"ours as {kind}, theirs f32" if kind else "f32 weights on both sides"
            for shape in ("threads", "processes", "asyncio"):
                for users in self.loads.service_users:
                    name = f"transformers {shape}, {users} users, {file.short}{f', ours {kind}' if kind else ''}"
                    load = (users, 1, 64, self.loads.service_output)
                    yield Job(Loaded(Server(self.setup, file, users, kind), *load),
                              Loaded(Transformers(self.setup, file, shape), *load), [Row(name, TOKENS, "output", Goal(8))], file,
                              note=f"{weights}; the service answers whole requests one after another")

    def other_isas(self):
        """Against a llama.cpp built for the same instructions: beside the native one, which it is itself where the machine
        has no more than AVX-512."""
        for isa in ("avx2", "avx512"):
            native = isa == "avx512" and not cpu_has("amx_tile")
            folder = self.setup.peers if native else self.setup.peers.with_name(f"{self.setup.peers.name}-{isa}")
            for file in (self.file(self.loads.shapes[0], kind) for kind in ("q8_0", "q4_0")):
                for what, make in (("prefill", self.prefill_job), ("decode", self.decode_job)):
                    yield make(file, f"{isa} only, {what}, {file.short} {file.kind}", Goal(1.1), isa=isa, folder=folder)

    def wide_context(self):
        context, file = self.loads.context, self.file(self.loads.shapes[0], "q8_0")
        generate = 16
        row = Row(f"decode at {context} tokens of context, {file.short} q8_0", TOKENS, "decode", Goal(1))
        yield Job(Offline(self.setup, file, context, generate), LlamaBench(self.setup, file, generate=generate, depth=context),
                  [row], file, most_rounds=1, note="minutes of prefill on both sides: one round")

    def cold_starts(self):
        large = self.file(self.loads.shapes[-1], "q8_0")
        for file, figure, what, goal in ((self.file(SMOLLM2, "q4_1"), "ready", "ready", Goal(at_most=0.3)),
                                         (large, "first_token", "first token", Goal(at_most=1))):
            row = Row(f"cold start, {what} after exec, {file.short} {file.kind}", "s", figure, goal, higher=False)
            yield Job(ColdStart(Server(self.setup, file, 1)), ColdStart(LlamaServer(self.setup, file, 1)), [row], file,
                      note="file in the page cache")

    def accuracy(self):
        for kind in REAL_KINDS:
            file = RealKind(self.setup, kind)
            rows = [Row(f"mean KL a token against exact weights, {file.short} {kind}", "nats", "kl", Goal(10), higher=False),
                    Row(f"perplexity off that of exact weights, {file.short} {kind}", "%", "perplexity_off", Goal(at_most=0.3),
                        higher=False)]
            yield Job(OurDivergence(self.setup, file), LlamaDivergence(self.setup, file), rows, file, most_rounds=1,
                      note="the same text; ours over all of its tokens, llama-perplexity over the second half of each 512")

    def layers(self):
        file = self.file(self.loads.shapes[-1], "q8_0")
        row = Row(f"largest error of a layer's output against float64, {file.short} q8_0", "%", "layer_error", higher=False)
        yield Job(OurLayers(self.setup, file), None, [row], file, most_rounds=1,
                  note="root of the sums of squares, of the residual stream; python -m cpu.layers prints every layer and kind")

    def own_kinds(self):
        """Kinds that Millrace makes of float weights at load, against llama.cpp's file of as many bits."""
        for file in (self.file(shape, "bf16") for shape in self.loads.shapes):
            for kind, peer, goal in (("int8", "q8_0", Goal(limit=0.40)), ("int4-g64", "q4_0", None)):
                row = Row(f"own {kind}, prefill {self.loads.prompt}, {file.short}", TOKENS, "prefill", goal, limit="int8",
                          work=float_work(file))
                yield Job(Offline(self.setup, file, self.loads.prompt, 1, only="prefill", quantization=kind),
                          LlamaBench(self.setup, self.file(file.shape, peer), prompt=self.loads.prompt), [row], file)
        real = self.file(SMOLLM2, "q4_1")
        for kind, most in (("bf16", 0.3), ("int8", 1), ("int4-g32", 4), ("int4-g64", 4), ("int4-g128", 4)):
            row = Row(f"own {kind}, perplexity above that of f32, {real.short}", "%", "perplexity", Goal(at_most=most), higher=False)
            yield Job(OurDivergence(self.setup, real, kind), None, [row], real, most_rounds=1,
                      note="the weights that the Q4_1 file stands for, as f32, are the base")
        for kind in ("int4-g64", "int4-g128"):
            row = Row(f"own {kind} fitted on a text, perplexity above that of f32, {real.short}", "%", "perplexity", Goal(at_most=4),
                      higher=False)
            yield Job(FittedDivergence(self.setup, real, kind), None, [row], real, most_rounds=1,
                      note="millrace quantize on 8,192 tokens; the same base")

    def tokenizer(self):
        folder = Gpt2Folder(self.setup)
        row = Row("tokenizer, byte-level BPE, one core", "MB/s", "speed", Goal(at_least=60))
        yield Job(OurTokenizer(self.setup, folder), HfTokenizer(self.setup, folder), [row], folder)
