#!/usr/bin/env python3
"""Closed-loop streaming load on any OpenAI-compatible server: each user sends its next request when the last is done.

usage: load_client.py URL MODEL [--users N] [--requests N] [--prompt-tokens N] [--max-tokens N] [--vocab N] [--seed N]
Prints one JSON object: total output tokens/s, requests, errors, TTFT / inter-token / end-to-end percentiles in ms.
Prompts are token ids drawn at random, so every request differs and both servers get the same ids for the same seed.
Raw sockets and byte scanning keep the client's own cost small (it shares the machine with the server).
"""
import argparse
import asyncio
import json
import random
import time
from urllib.parse import urlparse


def percentile(values, q):
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(q * (len(ordered) - 1)))]


def summary(values):
    return {f"p{int(q * 100)}": round(percentile(values, q) * 1e3, 2) for q in (0.5, 0.9, 0.99)} if values else None


def prompts(users, requests, length, vocab, seed, first_id=1000):
    draw = random.Random(seed)
    return [[[draw.randrange(first_id, vocab) for _ in range(length)] for _ in range(requests)] for _ in range(users)]


async def one_request(host, port, body, result):
    reader, writer = await asyncio.open_connection(host, port)
    start = time.perf_counter()
    last = None
    text = b""
    try:
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (host.encode(), len(body), body))
        await writer.drain()
        while piece := await reader.read(65536):
            now = time.perf_counter()
            text += piece
            events = piece.count(b'"choices":[{') or piece.count(b'"choices": [{')
            if events and last is None:
                result["ttft"].append(now - start)
                events -= 1
                last = now
            if events:
                result["gaps"].extend([(now - last) / events] * events)
                last = now
            if b"data: [DONE]" in text[-64:]:
                break
    finally:
        writer.close()
    usage = text.rfind(b'"completion_tokens":')
    if b"200" not in text[:16] or usage < 0:
        result["errors"] += 1
        result["first_error"] = result.get("first_error") or text[:300].decode(errors="replace")
        return
    result["tokens"] += int(text[usage + 20:usage + 32].split(b",")[0].split(b"}")[0])
    result["e2e"].append(time.perf_counter() - start)


async def user(address, model, mine, max_tokens, result):
    for prompt in mine:
        body = json.dumps({"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "stream": True,
                           "ignore_eos": True, "stream_options": {"include_usage": True}}).encode()
        try:
            await asyncio.wait_for(one_request(*address, body, result), 600)
        except (OSError, asyncio.TimeoutError) as error:
            result["errors"] += 1
            result["first_error"] = result.get("first_error") or repr(error)


async def run_load(url, model, users, requests, prompt_tokens, max_tokens, vocab, seed, first_id=1000):
    address = (urlparse(url).hostname, urlparse(url).port)
    result = {"tokens": 0, "errors": 0, "ttft": [], "gaps": [], "e2e": []}
    start = time.perf_counter()
    await asyncio.gather(*(user(address, model, mine, max_tokens, result)
                           for mine in prompts(users, requests, prompt_tokens, vocab, seed, first_id)))
    seconds = time.perf_counter() - start
    return {"tokens_per_second": round(result["tokens"] / seconds, 1), "seconds": round(seconds, 2),
            "requests": len(result["e2e"]), "errors": result["errors"], "first_error": result.get("first_error"),
            "ttft_ms": summary(result["ttft"]), "itl_ms": summary(result["gaps"]), "e2e_ms": summary(result["e2e"])}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("model")
    for name, default in (("users", 16), ("requests", 4), ("prompt-tokens", 128), ("max-tokens", 64), ("vocab", 49000), ("seed", 1)):
        parser.add_argument("--" + name, type=int, default=default)
    a = parser.parse_args()
    print(json.dumps(asyncio.run(run_load(a.url, a.model, a.users, a.requests, a.prompt_tokens, a.max_tokens, a.vocab, a.seed))))


if __name__ == "__main__":
    main()
