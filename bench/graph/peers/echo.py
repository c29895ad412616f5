"""The bare loop that no HTTP server can beat here: bare_echo.cc, with requests and answers of the same sizes."""
import contextlib
import socket
import subprocess
import time

from common.process import Failure, free_port
from graph.programs import http_load, program


def request_size(target, request):
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(request.body)}\r\n"
    return len(head) + len(request.head) + 2 + len(request.body)


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
        command = [program("bare_echo"), port, request_size(self.target, self.request), self.answer_bytes]
        process = subprocess.Popen([str(word) for word in command])
        try:
            self._await(port)
            found = http_load(port, self.connections, self.setup.seconds, self.target, self.request)
        finally:
            process.kill()
            process.wait()
        return {"rate": found["requests_per_second"], "p50_us": found["p50_us"], "p99_us": found["p99_us"]}

    @staticmethod
    def _await(port):
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.01)
        raise Failure("the bare loop did not start")
