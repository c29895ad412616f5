"""Servers that do nothing, with requests and answers of the same sizes: the bare loop that no HTTP server can beat here, and a
gRPC service."""
import contextlib
import socket
import subprocess
import time

from common.process import Failure, free_port
from graph.programs import grpc_load, http_load, program


def request_size(target, request):
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(request.body)}\r\n"
    return len(head) + len(request.head) + 2 + len(request.body)


def await_port(port):
    for _ in range(500):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise Failure("the bare server did not start")


@contextlib.contextmanager
def running(name, port, *arguments):
    process = subprocess.Popen([str(word) for word in (program(name), port, *arguments)])
    try:
        await_port(port)
        yield
    finally:
        process.kill()
        process.wait()


class BareGrpc:
    """The same message from as many calls, to a service that looks at nothing."""
    program = "bare_grpc.cc"

    def __init__(self, setup, message, answer_bytes, calls):
        self.setup, self.message, self.answer_bytes, self.calls = setup, message, answer_bytes, calls
        self.flags = [answer_bytes, f"{calls} calls on one channel"]

    def version(self):
        return "gRPC's callback service"

    def run(self):
        port = free_port()
        with running("bare_grpc", port, self.answer_bytes):
            found = grpc_load(port, self.calls, self.setup.seconds, self.message)
        return {"rate": found["requests_per_second"], "p50_us": found["p50_us"], "p99_us": found["p99_us"],
                "client_cpu_us": found["client_cpu_us"]}


class BareEcho:
    program = "bare_echo.cc"

    def __init__(self, setup, target, request, answer_bytes, connections):
        self.setup, self.target, self.request = setup, target, request
        self.flags = [answer_bytes, f"{connections} connections"]
        self.answer_bytes, self.connections = answer_bytes, connections

    def version(self):
        return "epoll, one thread"

    def run(self):
        port = free_port()
        with running("bare_echo", port, request_size(self.target, self.request), self.answer_bytes):
            found = http_load(port, self.connections, self.setup.seconds, self.target, self.request)
        return {"rate": found["requests_per_second"], "p50_us": found["p50_us"], "p99_us": found["p99_us"]}
