"""How far each layer's output is from float64.

Run by itself it prints a table of all layers for every precision:  PYTHONPATH=bench .venv/bench/bin/python -m cpu.layers
"""
import argparse
import pathlib
import tempfile

from common.cores import first_cores
from common.millrace import OurBinary
from common.process import run
from cpu.files import ModelFile
from cpu.setup import Setup, add_places

PRECISIONS = ("exact", "default", "fast")
TOKENS = 64  # one chunk, as a prompt
TEXT = ("The river was low that summer, and the mill stood still for weeks. The miller counted his sacks, mended the sluice, and "
        "waited for rain. When it came at last it came all at once: the wheel turned day and night, and carts stood in a long "
        "line on the road. Nobody was turned away, and nobody waited longer than a loaf takes to bake. ") * 2


class OurLayers(OurBinary):
    """The outputs of one prompt's layers as `millrace bench accuracy` saves them."""
    program = "millrace bench accuracy"

    def __init__(self, setup, file, precision="default"):
        super().__init__(setup)
        self.file = file
        self.flags = ["--tokens", TOKENS, "--chunk", TOKENS, "--context", TOKENS, "--threads", setup.threads, "--precision", precision]

    def errors(self):
        self.require()
        with tempfile.TemporaryDirectory() as folder:
            text, saved = pathlib.Path(folder) / "text", pathlib.Path(folder) / "layers.npy"
            text.write_text(TEXT)
            run([self.setup.binary, "bench", "accuracy", self.file.path(), "--text", text, *self.flags, "--save-layers", saved], 3000)
            import numpy as np  # NumPy and gguf are the bench environment's alone

            from cpu.float64 import Reference, relative_errors
            return relative_errors(np.load(saved), Reference(self.file.path()))

    def run(self):
        return {"layer_error": 100 * max(self.errors())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser.add_argument)
    parser.add_argument("--shape", default="llama3.2-1b")
    parser.add_argument("--kinds", default="q8_0,q4_0,q4_k_m,bf16")
    a = parser.parse_args()
    setup = Setup(binary=a.binary, models=a.models, smollm2=a.smollm2, peers=None, cores=first_cores(2), rounds=1, quick=False)
    for kind in a.kinds.split(","):
        file = ModelFile(setup, a.shape, kind)
        columns = [OurLayers(setup, file, precision).errors() for precision in PRECISIONS]
        print(f"\n{file.short} {kind}: relative error of each layer's output against float64\n")
        print(f"| layer | {' | '.join(PRECISIONS)} |\n|---|{'---|' * len(PRECISIONS)}")
        for layer, errors in enumerate(zip(*columns, strict=True)):
            print(f"| {layer} | {' | '.join(f'{error:.2e}' for error in errors)} |", flush=True)


if __name__ == "__main__":
    main()
