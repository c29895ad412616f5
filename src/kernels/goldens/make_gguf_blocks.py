#!/usr/bin/env python3
"""Writes gguf_blocks.json: for each GGUF weight kind, random blocks (hex) and what the `gguf` Python package makes of them.

usage: make_gguf_blocks.py > gguf_blocks.json      (pip install gguf numpy)
"""
import json

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.quants import dequantize

# kind: (type, bytes a block, offsets of its f16 fields, blocks)
KINDS = {
    "q4_0": (Q.Q4_0, 18, [0], 2), "q4_1": (Q.Q4_1, 20, [0, 2], 2), "q5_0": (Q.Q5_0, 22, [0], 2),
    "q5_1": (Q.Q5_1, 24, [0, 2], 2), "q8_0": (Q.Q8_0, 34, [0], 2), "q4_k": (Q.Q4_K, 144, [0, 2], 1),
    "q5_k": (Q.Q5_K, 176, [0, 2], 1), "q6_k": (Q.Q6_K, 210, [208], 1),
}


def main():
    rng = np.random.default_rng(7)
    out = {}
    for name, (kind, size, halves, blocks) in KINDS.items():
        raw = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
        for at in halves:
            raw[:, at:at + 2] = rng.uniform(-0.1, 0.1, (blocks, 1)).astype(np.float16).view(np.uint8)
        values = dequantize(raw.reshape(-1), kind).reshape(-1)
        out[name] = {"hex": raw.tobytes().hex(), "values": [float(f"{v:.7g}") for v in values]}
    print(json.dumps(out, separators=(",", ":")))


main()
