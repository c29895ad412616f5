"""Starts the real binary for every suite. Nothing here skips: what is missing is an error that says what to do."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS = 120
STOP_SECONDS = 40


def binary():
    path = pathlib.Path(os.environ.get("MILLRACE_BINARY", ROOT / "build" / "release" / "millrace"))
    if not path.exists():
        pytest.fail(f"{path} is not there: build it, or set MILLRACE_BINARY", pytrace=False)
    return path


def smollm2():
    folder = pathlib.Path(os.environ.get("MILLRACE_MODELS", ROOT / "models")) / "smollm2-135m-instruct"
    if not folder.exists():
        pytest.fail(f"{folder} is not there: run scripts/fetch-model, or set MILLRACE_MODELS", pytrace=False)
    return folder


def sim_models(folder):
    """A models folder with one simulated model (10 ms a step, 32 sequences); the folder and the model's name."""
    (folder / "sim").mkdir()
    (folder / "sim" / "sim.model").write_text("")
    return folder, "sim"


class Server:
    """A `millrace serve` of the test's own, on free ports. `where`: cwd and env, as of Popen."""

    def __init__(self, *words, **where):
        self.folder = tempfile.TemporaryDirectory(prefix="millrace-test-")
        port_file = pathlib.Path(self.folder.name) / "ports.json"
        self.log_path = pathlib.Path(self.folder.name) / "log"
        self.log = open(self.log_path, "wb")
        command = [str(binary().resolve()), "serve", "--port", "0", "--grpc-port", "0", "--admin-port", "0", "--port-file", str(port_file),
                   *map(str, words)]
        self.told_to_stop = False
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, **where)
        try:
            self._await_ready(port_file)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _await_ready(self, port_file):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"the server ended with {self.process.returncode}:\n{self.log_text()}", pytrace=False)
            if port_file.exists():
                ports = json.loads(port_file.read_text())
                self.host, self.port, self.admin_port = "127.0.0.1", ports["port"], ports["admin_port"]
                self.grpc_port = ports["grpc_port"]
                self.url = f"http://{self.host}:{self.port}"
                self.admin_url = f"http://{self.host}:{self.admin_port}"
                with contextlib.suppress(requests.ConnectionError):
                    if requests.get(self.url + "/health/ready", timeout=5).status_code == 200:
                        return
            time.sleep(0.05)
        pytest.fail(f"not ready after {START_SECONDS} s:\n{self.log_text()}", pytrace=False)

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def metrics(self):
        """{'name{labels}': value} of the admin port."""
        text = requests.get(self.admin_url + "/metrics", timeout=10).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    def kv_blocks(self, model):
        values = self.metrics()
        return {state: values[f'millrace_kv_blocks{{model_name="{model}",state="{state}"}}']
                for state in ("total", "free", "cached")}

    def running_and_waiting(self, model):
        values = self.metrics()
        return tuple(values[f'millrace_requests_{state}{{model_name="{model}"}}'] for state in ("running", "waiting"))

    def await_idle(self, model, seconds=5):
        """No request left and every block free or cached, or the reason why not."""
        deadline = time.monotonic() + seconds
        while True:
            blocks, requests_left = self.kv_blocks(model), self.running_and_waiting(model)
            if requests_left == (0, 0) and blocks["free"] + blocks["cached"] == blocks["total"]:
                return
            if time.monotonic() > deadline:
                pytest.fail(f"not idle: {blocks}, running and waiting {requests_left}")
            time.sleep(0.05)

    def terminate(self):
        """What a supervisor does first: SIGTERM. Running requests may end."""
        self.told_to_stop = True
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """The exit status, None when it had to be killed."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return None
        return self.process.returncode

    def clean_up(self):
        self.log.close()
        self.folder.cleanup()


@contextlib.contextmanager
def serving(models, *flags):
    server = Server(models, *flags)
    try:
        yield server
    finally:
        died = None if server.told_to_stop else server.process.poll()
        status = server.stop()
        log = server.log_text()
        server.clean_up()
    assert died is None, f"the server died with {died}:\n{log}"
    assert status == 0, f"stopped with {status}:\n{log}"
