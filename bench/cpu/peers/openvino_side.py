"""OpenVINO GenAI's continuous batching on the same GGUF file, requests handed over at once."""
import pathlib
import sys
from importlib import metadata

from common.process import run_json

WORKER = pathlib.Path(__file__).with_name("openvino_worker.py")


class OpenVino:
    program = "continuous batching, 512 tokens a step, no prefix cache, LATENCY; users, prompt, output, threads:"

    def __init__(self, setup, file, prompt, generate, users):
        self.setup, self.file = setup, file
        self.flags = [users, prompt, generate, setup.threads]

    def version(self):
        return "openvino-genai " + metadata.version("openvino-genai")

    def run(self):
        return run_json([sys.executable, WORKER, self.file.path(), *self.flags])
