#!/usr/bin/env python3
"""Millrace beside llama.cpp's server: the same GGUF, the same load, in turns on the same machine; prints the ratios.

usage: serve_compare.py MODEL.gguf --peer llama-server [--users 16] [--rounds 3] [--json FILE]
Ratios say "bigger is better for us": tokens/s ours ÷ peer's, times peer's ÷ ours.
"""
import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile
import time
import urllib.request

from load_client import run_load

ROOT = pathlib.Path(__file__).resolve().parent.parent


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_ready(url, process, seconds=300):
    end = time.time() + seconds
    while time.time() < end:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}: {process.args}")
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(url, timeout=2).status == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"not ready in {seconds} s: {url}")


@contextlib.contextmanager
def server(command, ready_path, port):
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_ready(f"http://127.0.0.1:{port}{ready_path}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def millrace(binary, model, users):
    port, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "model").mkdir()
        os.symlink(model, pathlib.Path(folder) / "model" / "model.gguf")
        with server([binary, "serve", folder, "--port", str(port), "--admin-port", str(admin), "--max-num-seqs", str(max(users, 16)),
                     "--log-level", "warn"], "/health/ready", port) as url:
            yield url


@contextlib.contextmanager
def llama_server(binary, model, users, context, threads):
    port = free_port()
    with server([binary, "-m", model, "--port", str(port), "-np", str(users), "-c", str(context * users), "-t", str(threads),
                 "--no-webui", "-fa", "auto"], "/health", port) as url:
        yield url


def measure(make, name, args):
    """Median over rounds is taken later; each round starts a fresh server and warms it with one short request."""
    with make() as url:
        asyncio.run(run_load(url, name, 1, 1, 8, 4, args.vocab, 99))
        return asyncio.run(run_load(url, name, args.users, args.requests, args.prompt_tokens, args.max_tokens, args.vocab, 1))


def ceilings():
    source, binary = ROOT / "bench" / "ceilings.cc", ROOT / "build" / "ceilings"
    if not source.exists():
        return {}
    binary.parent.mkdir(exist_ok=True)
    subprocess.run(["g++", "-O3", "-march=native", "-pthread", source, "-o", binary], check=True)
    return json.loads(subprocess.check_output([binary]))


def rows(ours, theirs):
    def median(results, *keys):
        values = []
        for r in results:
            for k in keys:
                r = (r or {}).get(k)
            values.append(r if r is not None else float("nan"))
        return statistics.median(values)

    for name, unit, keys, higher in (
            ("output tokens", "tok/s", ("tokens_per_second",), True),
            ("TTFT p50", "ms", ("ttft_ms", "p50"), False), ("TTFT p99", "ms", ("ttft_ms", "p99"), False),
            ("inter-token p50", "ms", ("itl_ms", "p50"), False), ("inter-token p99", "ms", ("itl_ms", "p99"), False),
            ("end to end p99", "ms", ("e2e_ms", "p99"), False)):
        a, b = median(ours, *keys), median(theirs, *keys)
        yield {"name": name, "unit": unit, "ours": a, "peer": b, "ratio": round(a / b if higher else b / a, 2) if a and b else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--peer", required=True)
    parser.add_argument("--binary", default=str(ROOT / "build/release/millrace"))
    for name, default in (("users", 16), ("requests", 3), ("prompt-tokens", 128), ("max-tokens", 64), ("vocab", 49000), ("rounds", 3)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--json")
    args = parser.parse_args()
    model = str(pathlib.Path(args.model).resolve())
    context = 1024 * -(-(args.prompt_tokens + args.max_tokens) // 1024)
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(measure(lambda: millrace(args.binary, model, args.users), "model", args))
        theirs.append(measure(lambda: llama_server(args.peer, model, args.users, context, os.cpu_count()), "model", args))
        for result in (ours[-1], theirs[-1]):
            if result["first_error"]:
                print("error:", result["first_error"])
        print(f"round: ours {ours[-1]['tokens_per_second']} tok/s ({ours[-1]['errors']} errors), "
              f"peer {theirs[-1]['tokens_per_second']} tok/s ({theirs[-1]['errors']} errors)", flush=True)
    version = subprocess.run([args.peer, "--version"], capture_output=True, text=True)
    report = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "model": os.path.basename(model),
              "load": {k: getattr(args, k) for k in ("users", "requests", "prompt_tokens", "max_tokens", "rounds")},
              "peer_version": (version.stdout + version.stderr).strip().splitlines()[0], "ceilings": ceilings(),
              "errors": [sum(r["errors"] for r in ours), sum(r["errors"] for r in theirs)], "rows": list(rows(ours, theirs))}
    print(f"\n{report['model']}, {args.users} users, {args.prompt_tokens} in / {args.max_tokens} out, median of {args.rounds}")
    print(f"{'':18}{'ours':>10}{'llama.cpp':>12}{'ratio':>8}")
    for row in report["rows"]:
        print(f"{row['name']:18}{row['ours']:>10.1f}{row['peer']:>12.1f}{row['ratio'] or 0:>7.2f}×  {row['unit']}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
