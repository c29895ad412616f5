"""Programs that are measured: one that runs to its end, and a server that is up for a while."""
import contextlib
import json
import pathlib
import socket
import subprocess
import tempfile
import time


class Failure(Exception):
    """One side could not be measured; the text is the reason that the report gives."""


def last_words(text, lines=3):
    return " / ".join(line.strip() for line in text.strip().splitlines()[-lines:])[-400:]


def require(path, what):
    if not pathlib.Path(path).exists():
        raise Failure(f"{path} is not there: {what}")


def run(command, seconds=1800, env=None):
    """What it wrote on its standard output."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, env=env)
    except FileNotFoundError:
        raise Failure(f"{command[0]} is not there") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"not done in {seconds} s: {' '.join(command)}") from None
    if done.returncode:
        raise Failure(f"ended with {done.returncode}: {last_words(done.stderr or done.stdout)}")
    return done.stdout


def run_json(command, seconds=1800):
    """The JSON document that it printed, alone or on its last line."""
    out = run(command, seconds).strip()
    for text in (out, out.splitlines()[-1] if out else ""):
        with contextlib.suppress(ValueError):
            return json.loads(text)
    raise Failure(f"printed no JSON: {last_words(out)}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _answers_200(port, path):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as s:
        s.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode())
        return b" 200" in s.recv(64)
    return False


def _await_ready(process, port, path, seconds, log):
    """Polls closely: the time to readiness is itself measured."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            log.seek(0)
            raise Failure(f"the server ended with {process.returncode}: {last_words(log.read().decode(errors='replace'))}")
        if _answers_200(port, path):
            return
        time.sleep(0.005)
    raise Failure(f"the server was not ready in {seconds} s")


@contextlib.contextmanager
def server(command, ready_path, port, seconds=300):
    """Yields the seconds from exec to the first 200 of `ready_path`."""
    with server_process(command, ready_path, port, seconds) as (_, ready_after):
        yield ready_after


@contextlib.contextmanager
def server_process(command, ready_path, port, seconds=300):
    """The same with the process's id before it."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        except FileNotFoundError:
            raise Failure(f"{command[0]} is not there") from None
        try:
            _await_ready(process, port, ready_path, seconds, log)
            yield process.pid, time.perf_counter() - start
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
