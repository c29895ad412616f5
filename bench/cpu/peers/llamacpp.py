"""What llama.cpp's programs share: where they are and what they call themselves."""
import subprocess

from common.process import require

BUILD = "build it with bench/peers/build_llamacpp"


class LlamaCpp:
    program = ""

    def __init__(self, setup, folder=None):
        self.setup = setup
        self.binary = (folder or setup.peers) / "bin" / self.program

    def require(self):
        hint = BUILD
        if self.binary.parent.parent != self.setup.peers:
            hint += f" {self.binary.parent.parent} and the CMake flags that bench/peers/README.md names for it"
        require(self.binary, hint)

    def version(self):
        """As a program beside it says (the benchmarks themselves do not), and the package whose source it is."""
        self.require()
        done = subprocess.run([self.binary.with_name("llama-perplexity"), "--version"], capture_output=True, text=True)
        words = (done.stdout + done.stderr).strip().splitlines()
        sources = [path.name for path in self.binary.parent.parent.glob("llama_cpp_python-*") if path.is_dir()]
        return ", ".join(["llama.cpp", *(line for line in words if line.startswith("version")), *sources])
