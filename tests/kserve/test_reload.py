"""Loading and unloading gives the memory back, while another model serves."""
import os
import pathlib
import re
import statistics
import threading
import time

import numpy as np
from onnx import TensorProto, helper

from conftest import client_of
from graphs import SLOW_WIDTH, constant, save, tensor
from live_server import serving
from test_clients import infer

ROUNDS = 100 if os.environ.get("MILLRACE_SLOW") else 20
SETTLED = 5  # rounds until allocators have what they keep
MIB = 2**20


def resident_bytes(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def test_memory_comes_back(server):
    row = np.ones((1, SLOW_WIDTH), dtype=np.float32)
    other = np.ones((1, 4), dtype=np.float32)
    stop, failures = threading.Event(), []

    def keep_asking():
        with client_of(server) as own:
            while not stop.is_set():
                try:
                    assert (infer(own, "identity_fp32", other).as_numpy("y") == other).all()
                except Exception as error:
                    failures.append(error)
                    return

    asking = threading.Thread(target=keep_asking)
    asking.start()
    sizes = []
    try:
        with client_of(server, admin=True) as admin, client_of(server) as client:
            for _ in range(ROUNDS):
                assert infer(client, "slow", row).as_numpy("y").shape == row.shape
                admin.unload_model("slow")
                admin.load_model("slow")
                sizes.append(resident_bytes(server))
    finally:
        stop.set()
        asking.join()
    assert not failures
    print([size // MIB for size in sizes])
    # At any moment the weights of one model (48 MiB) may be on their way in or out: middles are compared.
    before, after = statistics.median(sizes[SETTLED - 1:2 * SETTLED - 1]), statistics.median(sizes[-SETTLED:])
    assert max(sizes[SETTLED:]) - before < 32 * MIB + 48 * MIB
    assert after - before < 32 * MIB


def make_heavy(folder):
    """200 MiB of constants: 50 layers of 1024 × 1024."""
    generator = np.random.default_rng(5)
    weights, nodes, last = [], [], "x"
    for layer in range(50):
        weights.append(constant(f"w{layer}", (generator.standard_normal((1024, 1024)) / 32).astype(np.float32)))
        out = "y" if layer == 49 else f"h{layer}"
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [out]))
        last = out
    shape = ["n", 1024]
    save(folder, "heavy", nodes, [tensor("x", TensorProto.FLOAT, shape)], [tensor("y", TensorProto.FLOAT, shape)], weights)
    save(folder, "light", nodes[:4] + [helper.make_node("Identity", ["h3"], ["z"])], [tensor("x", TensorProto.FLOAT, shape)],
         [tensor("z", TensorProto.FLOAT, shape)], weights[:4])


def p99_ms(client, row, until):
    """Of a client that asks 100 times a second until `until()` holds; how often it asked."""
    times = []
    due = time.monotonic()
    while not until(times):
        due += 0.01
        time.sleep(max(0, due - time.monotonic()))
        began = time.monotonic()
        infer(client, "light", row, output="z")
        times.append(1000 * (time.monotonic() - began))
    return float(np.percentile(times, 99)), len(times)


def test_a_load_beside_a_steady_client(tmp_path):
    """Prints what a load costs another model's client, and checks that it is answered and the memory comes back."""
    make_heavy(tmp_path)
    row = np.ones((1, 1024), dtype=np.float32)
    with serving(tmp_path, "--model-control-mode", "explicit", "--load-model", "light") as server, client_of(server) as client:
        quiet, _ = p99_ms(client, row, lambda times: len(times) >= 300)
        before = resident_bytes(server)
        loaded = threading.Event()

        def load():
            with client_of(server) as own:
                own.load_model("heavy")
                loaded.set()

        loading = threading.Thread(target=load)
        began = time.monotonic()
        loading.start()
        busy, asked = p99_ms(client, row, lambda times: loaded.is_set())
        seconds = time.monotonic() - began
        loading.join()
        grown = resident_bytes(server) - before
        client.unload_model("heavy")
        deadline = time.monotonic() + 60
        while resident_bytes(server) - before > 32 * MIB and time.monotonic() < deadline:
            time.sleep(0.2)
        left = resident_bytes(server) - before
        print(f"p99 of the other model: {quiet:.1f} ms alone, {busy:.1f} ms during a load of {seconds:.1f} s ({asked} requests); "
              f"memory: +{grown // MIB} MiB loaded, +{left // MIB} MiB unloaded")
        assert asked > 0 and grown > 150 * MIB
        assert left < 32 * MIB
