"""What the command line decides: where things are, how long to measure, on which cores."""
import pathlib
from dataclasses import dataclass

from common.cores import ROOT


@dataclass
class Setup:
    binary: pathlib.Path
    models: pathlib.Path    # random models are made there
    smollm2: pathlib.Path   # the real one, whose tokenizer all of them get
    peers: pathlib.Path     # what bench/peers/build_llamacpp made
    cores: list
    rounds: int
    quick: bool
    text: pathlib.Path = None  # accuracy is measured on it; else on that of the goldens
    calibration: pathlib.Path = None  # weights are fitted on it; else on what the model writes

    @property
    def threads(self):
        return len(self.cores)


def add_places(add):
    """Where the binary and the models are, of every command line here; `add` is a parser's add_argument."""
    add("--models", type=pathlib.Path, default=ROOT / "build/bench-models", metavar="DIR",
        help="random models, made when missing [build/bench-models]")
    add("--smollm2", type=pathlib.Path, default=ROOT / "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
        metavar="FILE", help="the real model, whose tokenizer all get [models/…]")
    add("--binary", type=pathlib.Path, default=ROOT / "build/release/millrace", metavar="FILE", help="[build/release/millrace]")
