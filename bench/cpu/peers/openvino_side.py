"""OpenVINO GenAI's continuous batching on the same GGUF file, requests handed over at once."""
import pathlib
import sys

from cpu.process import run, run_json

WORKER = pathlib.Path(__file__).with_name("openvino_worker.py")


class OpenVino:
    program = "users, prompt, output, threads:"

    def __init__(self, setup, file, prompt, generate, users):
        self.setup, self.file = setup, file
        self.flags = [users, prompt, generate, setup.threads]

    def version(self):
        return "openvino-genai " + run([sys.executable, "-c", "import openvino_genai; print(openvino_genai.__version__)"], 60).strip()

    def run(self):
        return run_json([sys.executable, WORKER, self.file.path(), *self.flags])
