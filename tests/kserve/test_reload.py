"""Loading and unloading gives the memory back, while another model serves."""
import os
import pathlib
import re
import threading

import numpy as np

from conftest import client_of
from graphs import SLOW_WIDTH
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
    assert max(sizes[SETTLED:]) - sizes[SETTLED - 1] < 32 * MIB + 48 * MIB, "one model's weights may be on their way"
    assert sizes[-1] - sizes[SETTLED - 1] < 32 * MIB
