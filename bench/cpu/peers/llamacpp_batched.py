"""llama-batched-bench: decode of several sequences at once, each with a prompt of its own."""
import json

from common.process import Failure, run
from cpu.peers.llamacpp import LlamaCpp


class LlamaBatched(LlamaCpp):
    program = "llama-batched-bench"

    def __init__(self, setup, file, prompt, generate, batch):
        super().__init__(setup)
        self.file = file
        room = 256 * -(-(prompt + generate) // 256)  # of one sequence, in whole pages of its cache
        self.flags = ["-npp", prompt, "-ntg", generate, "-npl", batch, "-c", batch * room, "-b", 2048, "-ub", 512,
                      "-t", setup.threads, "-fa", "auto", "--output-format", "jsonl"]

    def run(self):
        self.require()
        out = run([self.binary, "-m", self.file.path(), *self.flags])
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        if len(lines) != 1:
            raise Failure(f"llama-batched-bench gave {len(lines)} results instead of one")
        return {"prefill": lines[0]["speed_pp"], "decode": lines[0]["speed_tg"]}
