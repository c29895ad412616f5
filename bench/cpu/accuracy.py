"""What rounding costs: mean KL divergence a token from what the same weights give exactly, and perplexity of weight kinds.

Ours: `millrace bench accuracy`. llama.cpp's: llama-perplexity on the same text, its file dequantised to f32 as the exact
model. Deterministic, so one round is enough.
"""
import json
import pathlib
import re
import sys
import tempfile

from common.cores import ROOT
from common.millrace import OurBinary
from common.process import Failure, run
from cpu.files import exact_of
from cpu.peers.llamacpp import LlamaCpp

TOKENS, CONTEXT = 20480, 512
TEXT_BYTES = 6 * TOKENS  # are more tokens than that
TEXTS = ROOT / "tests" / "goldens" / "models" / "smollm2_texts.json"


def llama_kl(text):
    found = re.search(r"Mean\s+KLD:\s*([0-9.e+-]+)", text)
    if not found:
        raise Failure("llama-perplexity printed no mean KLD")
    return float(found[1])


def our_figures(result):
    """KL in nats; in percent, what perplexity grows by (0 where it falls) and how far off it is."""
    change = 100 * result["perplexity_change"]
    return {"kl": result["mean_kl"], "perplexity": max(0.0, change), "perplexity_off": abs(change)}


def make_text(setup, file, to):
    """The text that was named, else that of the goldens."""
    if setup.text:
        to.write_bytes(setup.text.read_bytes()[:TEXT_BYTES])
    else:
        run([sys.executable, pathlib.Path(__file__).with_name("make_text.py"), file.path(), TEXTS, to])


class OurDivergence(OurBinary):
    """The file as it is served; with a quantization, the exact f32 file turned into our own kind."""
    program = "millrace bench accuracy"

    def __init__(self, setup, file, quantization=None):
        super().__init__(setup)
        self.file, self.quantization = file, quantization
        self.flags = ["--context", CONTEXT, "--threads", setup.threads, "--tokens", 256 if setup.quick else TOKENS]
        if quantization:
            self.flags += ["--quantization", quantization]

    def model(self, folder):
        return exact_of(self.file) if self.quantization else self.file.path()

    def exact(self):
        """The same file is what is right, in f32."""
        return []

    def run(self):
        self.require()
        with tempfile.TemporaryDirectory() as folder:
            text, out = pathlib.Path(folder) / "text", pathlib.Path(folder) / "out.json"
            make_text(self.setup, self.file, text)
            command = [self.setup.binary, "bench", "accuracy", self.model(folder), *self.exact(), "--text", text]
            run([*command, *self.flags, "--json", out], 3000)
            return our_figures(json.loads(out.read_text()))


class FittedDivergence(OurDivergence):
    """The exact file as `millrace quantize` writes it: fitted on a text, by default the model's own."""

    def __init__(self, setup, file, kind):
        super().__init__(setup, file)
        self.kind = kind
        self.fit_flags = ["--kind", kind, "--tokens", 512 if setup.quick else 8192, "--threads", setup.threads]
        if setup.calibration:
            self.fit_flags += ["--text", setup.calibration]

    def exact(self):
        return ["--exact-model", exact_of(self.file)]

    def model(self, folder):
        fitted = pathlib.Path(folder) / f"{self.kind}.gguf"
        run([self.setup.binary, "quantize", exact_of(self.file), "--output", fitted, *self.fit_flags], 3000)
        return fitted


class LlamaDivergence(LlamaCpp):
    program = "llama-perplexity"

    def __init__(self, setup, file):
        super().__init__(setup)
        self.file = file
        self.flags = ["-c", CONTEXT, "-b", CONTEXT, "--chunks", TOKENS // CONTEXT, "-t", setup.threads]

    def run(self):
        self.require()
        with tempfile.TemporaryDirectory() as folder:
            text, logits = pathlib.Path(folder) / "text", pathlib.Path(folder) / "logits"
            make_text(self.setup, self.file, text)
            common = [self.binary, "-f", text, "--kl-divergence-base", logits, *self.flags]
            run([*common, "-m", exact_of(self.file), "-fa", "off", "-ctk", "f32", "-ctv", "f32"], 3000)
            return {"kl": llama_kl(run([*common, "-m", self.file.path(), "--kl-divergence"], 3000))}
