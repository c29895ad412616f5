"""Mean KL divergence a token of what is computed by default from what the same weights give exactly.

Ours: the test that measures it, models_test beside the binary. llama.cpp's: llama-perplexity on the same text, its file
dequantised to f32 as the exact model. Deterministic, so one round is enough.
"""
import os
import pathlib
import re
import sys
import tempfile

from cpu.peers.llamacpp import LlamaCpp
from cpu.process import Failure, require, run
from cpu.setup import ROOT

TEXTS = ROOT / "tests" / "goldens" / "models" / "smollm2_texts.json"
TEST = "SmolLm2.DefaultPrecisionIsNearExact"


def our_kl(text):
    """Of the chunked run, as the test prints it."""
    found = re.search(r"all, in chunks\s+mean KL ([0-9.e+-]+)", text)
    if not found:
        raise Failure("the test printed no mean KL")
    return float(found[1])


def llama_kl(text):
    found = re.search(r"Mean\s+KLD:\s*([0-9.e+-]+)", text)
    if not found:
        raise Failure("llama-perplexity printed no mean KLD")
    return float(found[1])


class OurDivergence:
    program = "models_test"

    def __init__(self, setup, file):
        self.binary = setup.binary.with_name("models_test")
        self.setup, self.file = setup, file
        self.flags = [f"--gtest_filter={TEST}"]

    def version(self):
        return None

    def run(self):
        require(self.binary, "build the tests: scripts/test")
        env = {**os.environ, "MILLRACE_SLOW": "1", "MILLRACE_MODELS": str(self.file.path().parent)}
        return {"kl": our_kl(run([self.binary, *self.flags], 3000, env))}


class LlamaDivergence(LlamaCpp):
    program = "llama-perplexity"

    def __init__(self, setup, file):
        super().__init__(setup)
        self.file = file
        self.flags = ["-c", 512, "-b", 512, "-t", setup.threads]

    def run(self):
        self.require()
        exact = self.setup.models / "smollm2-135m-exact.gguf"
        with tempfile.TemporaryDirectory() as folder:
            text, logits = pathlib.Path(folder) / "text", pathlib.Path(folder) / "logits"
            run([sys.executable, pathlib.Path(__file__).with_name("make_exact.py"), self.file.path(), TEXTS, exact, text])
            common = [self.binary, "-f", text, "--kl-divergence-base", logits, *self.flags]
            run([*common, "-m", exact, "-fa", "off", "-ctk", "f32", "-ctv", "f32"], 3000)
            return {"kl": llama_kl(run([*common, "-m", self.file.path(), "--kl-divergence"], 3000))}
