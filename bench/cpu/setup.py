"""What the command line decides: where things are, how long to measure, on which cores."""
import pathlib
from dataclasses import dataclass


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

    @property
    def threads(self):
        return len(self.cores)
