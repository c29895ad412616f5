"""GPT-2 behind HTTP as tutorials do it: `generate` for one request at a time, the whole answer at its end.

usage: transformers_service.py MODEL_FOLDER PORT threads|processes|asyncio THREADS
- threads: a thread a connection, a lock around the one model, which computes with all THREADS;
- processes: THREADS processes with a model and one thread each, all accepting on the same socket;
- asyncio: one event loop, the model in an executor of one worker.
Answers POST /v1/completions with token ids as the prompt, in one event of the streaming form, so that one client serves all.
"""
import asyncio
import json
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import torch
from transformers import AutoModelForCausalLM


class Service:
    def __init__(self, folder, threads):
        torch.set_num_threads(threads)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()

    def answer(self, body):
        request = json.loads(body)
        ids = torch.tensor([request["prompt"]])
        count = request["max_tokens"]
        with torch.inference_mode():
            out = self.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count,
                                      do_sample=False, pad_token_id=0)
        made = out.shape[1] - ids.shape[1]
        piece = {"choices": [{"index": 0, "text": " ".join(map(str, out[0, -made:].tolist())), "finish_reason": "length"}]}
        usage = {"choices": [], "usage": {"completion_tokens": made}}
        return b"".join(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n" for event in (piece, usage)) \
            + b"data: [DONE]\n\n"


def handler(answer):
    class Handler(BaseHTTPRequestHandler):
        def reply(self, kind, body):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.reply("text/plain", b"ready")

        def do_POST(self):
            self.reply("text/event-stream", answer(self.rfile.read(int(self.headers["Content-Length"]))))

        def log_message(self, *_):
            pass

    return Handler


def serve_threads(folder, port, threads):
    service, lock = Service(folder, threads), threading.Lock()

    def answer(body):
        with lock:
            return service.answer(body)

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    Server(("127.0.0.1", port), handler(answer)).serve_forever()


def serve_processes(folder, port, count):
    """The socket listens once every worker has its model, so that readiness means all of them."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    (loaded, report), (go, start) = os.pipe(), os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            service = Service(folder, 1)
            server = HTTPServer(("127.0.0.1", port), handler(service.answer), bind_and_activate=False)
            server.socket.close()
            server.socket = listener
            os.write(report, b".")
            os.read(go, 1)
            server.serve_forever()
        children.append(child)

    def stop(*_):
        for child in children:
            os.kill(child, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    for _ in children:
        os.read(loaded, 1)
    listener.listen(128)
    os.write(start, b"." * count)
    for child in children:
        os.waitpid(child, 0)


def serve_asyncio(folder, port, threads):
    service, executor = Service(folder, threads), ThreadPoolExecutor(1)

    async def one(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = b"ready"
        if head.startswith(b"post"):
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            request = await reader.readexactly(length)
            body = await asyncio.get_running_loop().run_in_executor(executor, service.answer, request)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def main():
        async with await asyncio.start_server(one, "127.0.0.1", port, backlog=128) as server:
            await server.serve_forever()

    asyncio.run(main())


if __name__ == "__main__":
    shapes = {"threads": serve_threads, "processes": serve_processes, "asyncio": serve_asyncio}
    shapes[sys.argv[3]](sys.argv[1], int(sys.argv[2]), int(sys.argv[4]))
