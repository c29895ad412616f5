"""Servers that answer as they are told, for what a load generator must survive."""
import contextlib
import json
import socket
import socketserver
import struct
import threading
import time


@contextlib.contextmanager
def misbehaving(act):
    """A server that reads each request whole and lets act(connection, number) answer it."""
    count = iter(range(1 << 30))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    got = self.request.recv(65536)
                    if not got:
                        return
                    data += got
                head, _, rest = data.partition(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
                while len(rest) < length:
                    rest += self.request.recv(65536)
                data = rest[length:]
                with contextlib.suppress(OSError):
                    act(self.request, next(count))
                if self.request.fileno() < 0:
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 256

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def event(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def stream(connection, tokens, pause=0.0):
    connection.sendall(HEAD)
    for _ in range(tokens):
        connection.sendall(event({"choices": [{"index": 0, "text": " x", "finish_reason": None}]}))
        time.sleep(pause)
    connection.sendall(event({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": tokens}}) + b"data: [DONE]\n\n")
    connection.close()


def refuse(connection, status, body=b'{"error":{"message":"full","code":"overloaded"}}'):
    connection.sendall(b"HTTP/1.1 %d Nope\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
