"""llama-bench: prefill and decode of one sequence."""
from common.process import Failure, run_json
from cpu.peers.llamacpp import LlamaCpp


class LlamaBench(LlamaCpp):
    program = "llama-bench"

    def __init__(self, setup, file, prompt=0, generate=0, depth=0, folder=None):
        super().__init__(setup, folder)
        self.file = file
        self.flags = ["-p", prompt, "-n", generate, "-d", depth, "-t", setup.threads, "-r", 1, "-fa", "auto", "-o", "json"]

    def run(self):
        self.require()
        tests = run_json([self.binary, "-m", self.file.path(), *self.flags])
        figures = {"prefill" if test["n_prompt"] else "decode": test["avg_ts"] for test in tests}
        if not figures:
            raise Failure("llama-bench gave no figures")
        return figures
