"""Sides that are servers: figures of a load on one, and of its start. bench/load_client.py is the client for all."""
import asyncio

from load_client import run_load

from common.process import Failure


def load(url, model, users, requests, prompt, output, vocabulary, seed):
    result = asyncio.run(run_load(url, model, users, requests, prompt, output, vocabulary, seed))
    if result["errors"]:
        raise Failure(f"{result['errors']} of {users * requests} requests failed: {result['first_error']}")
    return result


class Loaded:
    """A fresh server a run; one short request a user warms it up."""

    def __init__(self, server, users, requests, prompt, output, vocabulary=49000):
        self.server, self.users = server, users
        self.load = (requests, prompt, output, vocabulary)
        self.program = server.program
        self.flags = [*server.flags, f"{users} users, {requests} requests each, {prompt} in, {output} out"]

    def version(self):
        return self.server.version()

    def run(self):
        requests, prompt, output, vocabulary = self.load
        with self.server.up() as (url, _):
            load(url, self.server.model, self.users, 1, 8, 4, vocabulary, 99)
            result = load(url, self.server.model, self.users, requests, prompt, output, vocabulary, 1)
        times = {f"{name}_{p}": (result[f"{name}_ms"] or {}).get(p) for name in ("ttft", "itl") for p in ("p50", "p99")}
        return {"output": result["tokens_per_second"], **{k: v for k, v in times.items() if v is not None}}


class ColdStart:
    """Seconds from exec to readiness, and to the first token of a request sent then."""

    def __init__(self, server):
        self.server, self.program, self.flags = server, server.program, server.flags

    def version(self):
        return self.server.version()

    def run(self):
        with self.server.up() as (url, seconds):
            result = load(url, self.server.model, 1, 1, 8, 4, 49000, 1)
        return {"ready": seconds, "first_token": seconds + result["ttft_ms"]["p50"] / 1e3}
