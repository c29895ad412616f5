#!/usr/bin/env python3
"""Does `millrace bench serve` measure what an independent client measures? Both put the same load on one server, in turns.

usage: bench/clients.py [--model FOLDER | --url URL --name MODEL] [--users N] [--requests N] [--prompt N] [--output N] [--vocab N]
                        [--rounds N] [--limit PERCENT] [--json FILE]
Without --url it serves a simulated model (20 ms a step) with build/release/millrace, or FOLDER. --requests are those of each user.
The independent client is bench/load_client.py. Who begins changes with every round; medians of the rounds are compared. The status
is 1 where a figure differs by more than --limit (2) percent.
"""
import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import load_client

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS = 120
# (figure, of `bench serve`, of load_client)
FIGURES = [
    ("tokens/s", lambda r: r["throughput"]["output_tokens_per_second"], lambda r: r["tokens_per_second"]),
    *((f"{title} p{q}, ms", lambda r, f=f, q=q: r[f][f"p{q}"], lambda r, f=f, q=q: r[f][f"p{q}"])
      for title, f in (("TTFT", "ttft_ms"), ("inter-token", "itl_ms"), ("end to end", "e2e_ms")) for q in (50, 90)),
]


def binary():
    return pathlib.Path(os.environ.get("MILLRACE_BINARY", ROOT / "build" / "release" / "millrace"))


@contextlib.contextmanager
def serving(model):
    """(URL, name) of a server of our own."""
    with tempfile.TemporaryDirectory(prefix="millrace-clients-") as folder:
        models, ports = pathlib.Path(folder) / "models", pathlib.Path(folder) / "ports.json"
        models.mkdir()
        if model:
            name = pathlib.Path(model).resolve().name
            (models / name).symlink_to(pathlib.Path(model).resolve())
        else:
            name = "sim"
            (models / name).mkdir()
            (models / name / "sim.model").write_text("")
            (models / name / "model.toml").write_text('sim-step-ms = "20"\nsim-token-us = "500"\n')
        log = open(pathlib.Path(folder) / "log", "w+")
        process = subprocess.Popen([str(binary()), "serve", str(models), "--port", "0", "--admin-port", "0", "--port-file", str(ports)],
                                   stdout=log, stderr=log)
        try:
            end = time.monotonic() + START_SECONDS
            while not (ports.exists() and ready(url := f"http://127.0.0.1:{json.loads(ports.read_text())['port']}")):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise SystemExit(f"clients: the server did not start:\n{log.read()}")
                time.sleep(0.05)
            yield url, name
        finally:
            process.terminate()
            process.wait()


def ready(url):
    try:
        return urllib.request.urlopen(f"{url}/health/ready", timeout=5).status == 200
    except OSError:
        return False


def ours(url, name, a, seed):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.json"
        command = [str(binary()), "bench", "serve", url, "--model", name, "--users", a.users, "--requests", a.users * a.requests,
                   "--prompt", a.prompt, "--output", a.output, "--token-ids", a.vocab, "--warmup", 0, "--seed", seed, "--json", out]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        result = json.loads(out.read_text())
    if result["requests"]["ok"] != a.users * a.requests:
        raise SystemExit(f"clients: bench serve failed: {result['first_error']}")
    return result


def theirs(url, name, a, seed):
    result = asyncio.run(load_client.run_load(url, name, a.users, a.requests, a.prompt, a.output, a.vocab, seed, first_id=a.first_id))
    if result["errors"]:
        raise SystemExit(f"clients: load_client failed: {result['first_error']}")
    return result


def compare(url, name, a):
    """[{figure, ours, theirs, percent}] of the medians; one round before, not counted."""
    sides = (ours, theirs)
    results = {side: [] for side in sides}
    for n in range(a.rounds + 1):
        for i, side in enumerate(sides if n % 2 else reversed(sides)):
            result = side(url, name, a, seed=1000 + 2 * n + i)
            if n > 0:
                results[side].append(result)
    rows = []
    for figure, get_ours, get_theirs in FIGURES:
        mine, other = statistics.median(map(get_ours, results[ours])), statistics.median(map(get_theirs, results[theirs]))
        rows.append({"figure": figure, "ours": mine, "theirs": other, "percent": 100 * (mine / other - 1)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "url", "name", "json"):
        parser.add_argument("--" + name)
    for name, default in (("users", 8), ("requests", 3), ("prompt", 60), ("output", 60), ("rounds", 3)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--vocab", type=int, help="ids of prompts lie below; 250 for the simulated model, else 49000")
    parser.add_argument("--limit", type=float, default=2)
    a = parser.parse_args()
    simulated = not a.model and not a.url
    a.vocab = a.vocab or (250 if simulated else 49000)
    a.first_id = min(1000, a.vocab // 2)
    with contextlib.nullcontext((a.url, a.name)) if a.url else serving(a.model) as (url, name):
        rows = compare(url, name, a)
    print(f"{name}: {a.users} users, {a.requests} requests each, {a.prompt} tokens in, {a.output} out, medians of {a.rounds}")
    print(f"{'':22}{'bench serve':>12}{'load_client':>13}{'':>10}")
    for row in rows:
        print(f"{row['figure']:22}{row['ours']:12.2f}{row['theirs']:13.2f}{row['percent']:+9.2f} %")
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps({"model": name, "limit_percent": a.limit, "rows": rows}, indent=1) + "\n")
    return int(any(abs(row["percent"]) > a.limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())
