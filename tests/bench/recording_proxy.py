"""An independent witness: a TCP proxy that notes when bytes pass and reckons the figures of the very load it saw."""
import asyncio
import contextlib
import re
import threading
import time

PIECE = re.compile(rb'"text":"[^"]')
COUNT = re.compile(rb'"completion_tokens":(\d+)')


def percentile(values, q):
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])


class Exchange:
    def __init__(self):
        self.start, self.end, self.times, self.text, self.tokens = time.perf_counter(), None, [], b"", 0

    def take(self, data):
        now = time.perf_counter()
        self.text += data
        pieces = len(PIECE.findall(self.text))
        self.times += [now] * (pieces - len(self.times))
        if self.end is None and b"data: [DONE]" in self.text:
            self.end = now
            self.tokens = int(COUNT.findall(self.text)[-1])


class Witness:
    def __init__(self, host, port):
        self.upstream, self.exchanges, self.port = (host, port), [], None

    async def serve(self, reader, writer):
        up_reader, up_writer = await asyncio.open_connection(*self.upstream)
        current = []

        async def forth():
            while data := await reader.read(65536):
                if data.startswith(b"POST /v1/completions"):
                    current[:] = [Exchange()]
                    self.exchanges.append(current[0])
                up_writer.write(data)
            up_writer.close()

        async def back():
            while data := await up_reader.read(65536):
                if current:
                    current[0].take(data)
                writer.write(data)
            writer.close()

        with contextlib.suppress(OSError):
            await asyncio.gather(forth(), back())

    def figures(self, skip=0):
        """Of all but the first `skip` requests; times in ms."""
        done = [e for e in self.exchanges[skip:] if e.end is not None]
        gaps = [b - a for e in done for a, b in zip(e.times, e.times[1:])]
        seconds = max(e.end for e in done) - min(e.start for e in done)
        ttft, e2e = [e.times[0] - e.start for e in done], [e.end - e.start for e in done]
        tpot = [(e.times[-1] - e.times[0]) / (e.tokens - 1) for e in done]
        out = {"requests": len(done), "tokens": sum(e.tokens for e in done), "pieces": sum(len(e.times) for e in done),
               "tokens/s": sum(e.tokens for e in done) / seconds}
        for name, values in (("ttft", ttft), ("itl", gaps), ("tpot", tpot), ("e2e", e2e)):
            for q in (0.5, 0.9, 0.95, 0.99):
                out[f"{name} p{round(q * 100)}"] = percentile(values, q) * 1e3
        return out


@contextlib.contextmanager
def witness(host, port):
    """Yields the Witness, listening on .port, in a thread of its own."""
    loop, seen, ready = asyncio.new_event_loop(), Witness(host, port), threading.Event()

    async def main():
        server = await asyncio.start_server(seen.serve, "127.0.0.1", 0)
        seen.port = server.sockets[0].getsockname()[1]
        ready.set()

    def run():
        loop.run_until_complete(main())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield seen
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
