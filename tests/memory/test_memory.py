"""What the server may hold: weights once, KV by use, little for a connection; what cannot fit is refused with figures."""
import concurrent.futures
import os
import shutil
import socket
import subprocess

import requests

from live_server import binary, serving, sim_models, smollm2

MIB = 1 << 20
MODEL = "smollm2-135m-instruct"


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


def weights_file():
    return next(smollm2().glob("*.gguf"))


def kv_bytes_in_use(server):
    """Blocks that hold anything, in bytes."""
    blocks, values = server.kv_blocks(MODEL), server.metrics()
    per_block = values[f'millrace_memory_bytes{{kind="kv_cache",model_name="{MODEL}"}}'] / blocks["total"]
    return (blocks["total"] - blocks["free"]) * per_block


def complete(server, prompt, max_tokens):
    answer = requests.post(server.url + "/v1/completions", timeout=300, json={
        "model": MODEL, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True})
    assert answer.status_code == 200, answer.text
    return answer.json()["usage"]["completion_tokens"]


def test_weights_are_held_once():
    with serving(smollm2()) as server:
        limit = 1.3 * os.path.getsize(weights_file()) + 64 * MIB
        used = resident_bytes(server)
        print(f"resident {used / MIB:.0f} MiB, limit {limit / MIB:.0f} MiB")
        assert used <= limit


def test_more_users_cost_only_kv():
    with serving(smollm2()) as server:
        complete(server, list(range(1000, 1256)), 4)  # a large step was seen: activations and scratch are there
        before = resident_bytes(server) - kv_bytes_in_use(server)
        for users in (1, 4, 16, 64):
            with concurrent.futures.ThreadPoolExecutor(users) as pool:
                prompts = [[1000 + 64 * users + i] * 20 for i in range(users)]
                assert sum(pool.map(lambda prompt: complete(server, prompt, 8), prompts)) == 8 * users
            extra = resident_bytes(server) - kv_bytes_in_use(server) - before
            print(f"{users} users: {extra / MIB:.1f} MiB beside KV")
            # Huge pages make a block resident together with its neighbours: 2 MiB a layer and side.
            assert extra <= 96 * MIB


def test_an_idle_connection_is_cheap(tmp_path):
    models, _ = sim_models(tmp_path)
    with serving(models) as server:
        def connect():
            connection = socket.create_connection((server.host, server.port))
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in connection.recv(4096)
            return connection
        warm = [connect() for _ in range(50)]
        before = resident_bytes(server)
        idle = [connect() for _ in range(1000)]
        each = (resident_bytes(server) - before) / len(idle)
        print(f"{each:.0f} bytes a connection")
        assert each <= 16 * 1024
        for connection in warm + idle:
            connection.close()


def test_what_cannot_fit_is_refused_with_the_figures():
    command = [str(binary()), "serve", str(smollm2()), "--port", "0", "--grpc-port", "0", "--admin-port", "0", "--memory-limit", "48MiB"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        refusal = next(line for line in process.stderr if "failed to load" in line)
    finally:
        process.terminate()
        process.wait(30)
    assert "48.0 MiB" in refusal and "93.8 MiB" in refusal, refusal  # the limit and what the model needs


def test_the_stripped_binary_is_small(tmp_path):
    copy = tmp_path / "millrace"
    shutil.copy(binary(), copy)
    subprocess.run(["strip", copy], check=True)
    print(f"{copy.stat().st_size / 1e6:.1f} MB")
    assert copy.stat().st_size <= 40e6
