"""The models that rows run on, made when first needed: random weights in real shapes, and the real SmolLM2."""
import os
import pathlib
import sys

from common.cores import ROOT
from common.process import Failure, require, run

# For limits: layers, width, query and key/value rows, feed-forward width, vocabulary.
SIZES = {"smollm2-135m": (30, 576, 576, 192, 1536, 49152), "qwen2.5-0.5b": (24, 896, 896, 128, 4864, 151936),
         "llama3.2-1b": (16, 2048, 2048, 512, 8192, 128256)}


def layer_parameters(shape):
    """Weights of the layers' products, embeddings and output head left out."""
    layers, width, q, kv, ff, _ = SIZES[shape]
    return layers * (2 * width * q + 2 * width * kv + 3 * width * ff)


def read_through(path):
    """Into the page cache, so that no side pays for the disk."""
    for file in [path] if path.is_file() else path.iterdir():
        with open(file, "rb") as f:
            while f.read(1 << 24):
                pass


class ModelFile:
    """A GGUF file; `path()` makes it."""

    def __init__(self, setup, shape, kind):
        self.setup, self.shape, self.kind = setup, shape, kind
        self.is_real = (shape, kind) == ("smollm2-135m", "q4_1")
        self.short = {"smollm2-135m": "SmolLM2-135M", "qwen2.5-0.5b": "0.5B", "llama3.2-1b": "1B"}[shape]

    def path(self):
        if self.is_real:
            require(self.setup.smollm2, "run scripts/fetch-model, or name the file with --smollm2")
            return self.setup.smollm2
        path = self.setup.models / self.file_name()
        if not path.exists():
            part = path.with_suffix(".part")
            self.make(part)
            part.rename(path)
        return path

    def file_name(self):
        return f"{self.shape}-{self.kind}.gguf"

    def make(self, to):
        require(self.setup.smollm2, "its tokenizer is needed: run scripts/fetch-model, or name the file with --smollm2")
        to.parent.mkdir(parents=True, exist_ok=True)
        run([sys.executable, ROOT / "bench" / "make_model.py", self.setup.smollm2, to, self.shape, self.kind])

    def step_bytes(self):
        """Weights that one decode step reads: all but a token embedding that is not the output head too."""
        from gguf import GGUFReader
        tensors = {t.name: int(t.n_bytes) for t in GGUFReader(self.path()).tensors}
        unread = tensors["token_embd.weight"] if "output.weight" in tensors else 0
        return sum(tensors.values()) - unread


class RealKind(ModelFile):
    """The real SmolLM2 in another kind: made by llama-quantize of what the Q4_1 file stands for."""

    def __init__(self, setup, kind):
        super().__init__(setup, "smollm2-135m", kind)

    def file_name(self):
        return f"smollm2-135m-real-{self.kind}.gguf"

    def make(self, to):
        quantizer = self.setup.peers / "bin" / "llama-quantize"
        require(quantizer, "build it with bench/peers/build_llamacpp")
        run([quantizer, exact_of(ModelFile(self.setup, self.shape, "q4_1")), to, self.kind.upper(), self.setup.threads], 600)


def exact_of(file):
    """The f32 file that a GGUF stands for."""
    exact = file.setup.models / f"{file.path().stem.lower()}-exact.gguf"
    if not exact.exists():
        exact.parent.mkdir(parents=True, exist_ok=True)
        run([sys.executable, pathlib.Path(__file__).with_name("make_exact.py"), file.path(), exact], 600)
    return exact


class Gpt2Folder:
    """GPT-2 124M as transformers writes it, random weights, for services on both sides."""
    shape, short = "gpt2-124m", "GPT-2 124M"

    def __init__(self, setup):
        self.setup = setup

    def path(self):
        folder = self.setup.models / self.shape
        if not (folder / "config.json").exists():
            require(self.setup.smollm2, "its tokenizer is needed: run scripts/fetch-model, or name the file with --smollm2")
            part = self.setup.models / f"{self.shape}.part"
            run([sys.executable, pathlib.Path(__file__).with_name("make_gpt2.py"), self.setup.smollm2, part])
            os.rename(part, folder)
        return folder
