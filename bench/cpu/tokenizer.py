"""How fast text becomes tokens on one core: ours and Hugging Face's `tokenizers` with the same tokenizer.json."""
import json
import pathlib
import tempfile
import time

from common.cores import ROOT
from common.millrace import OurBinary
from common.process import run

TEXTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "ARCHITECTURE.md", ROOT / "src" / "engine" / "README.md"]
LEAST_BYTES = 1 << 20


def sample():
    """English with code and tables, repeated to a megabyte."""
    once = "\n".join(path.read_text() for path in TEXTS)
    return once * (1 + LEAST_BYTES // len(once.encode()))


class OurTokenizer(OurBinary):
    program = "millrace bench tokenizer"

    def __init__(self, setup, folder):
        super().__init__(setup)
        self.folder = folder
        self.flags = ["--seconds", 0.2 if setup.quick else 2]

    def run(self):
        self.require()
        with tempfile.TemporaryDirectory() as folder:
            text, out = pathlib.Path(folder) / "text", pathlib.Path(folder) / "out.json"
            text.write_text(sample())
            run([self.setup.binary, "bench", "tokenizer", self.folder.path() / "tokenizer.json", "--text", text, *self.flags,
                 "--json", out])
            return {"speed": json.loads(out.read_text())["rows"][0]["bytes_per_second"] / 1e6}


class HfTokenizer:
    """One thread: a single text is not spread over cores there."""
    program = "tokenizers.Tokenizer.encode"

    def __init__(self, setup, folder):
        self.folder = folder
        self.flags = ["1 text", "best of", 2]

    def version(self):
        import tokenizers
        return f"tokenizers {tokenizers.__version__}"

    def run(self):
        import tokenizers
        tokenizer = tokenizers.Tokenizer.from_file(str(self.folder.path() / "tokenizer.json"))
        text = sample()
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            tokenizer.encode(text, add_special_tokens=False)
            seconds.append(time.perf_counter() - began)
        return {"speed": len(text.encode()) / min(seconds) / 1e6}
