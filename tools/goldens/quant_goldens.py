#!/usr/bin/env python3
"""Writes tests/goldens/quants/<kind>.json: random blocks of one tensor type and the floats that the `gguf`
package (the reference implementation of GGUF's authors) makes of them. Both as hex of the little-endian bytes.

usage: quant_goldens.py [OUT_FOLDER]      needs: pip install gguf numpy
"""
import json
import pathlib
import sys

import gguf
import numpy as np

KINDS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where the 16-bit scales of a block sit: random bytes there would often be infinities or NaNs.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}
# Zero, the smallest and largest denormal, one, the largest number, and a few of each sign.
HALVES = np.array([0.0, -0.0, 6e-8, 6.0976e-5, 1.0, 65504.0, -0.0123, 0.37, -1.5e-3, 2.5e-7], dtype=np.float16)


def random_blocks(kind, count, rng):
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][1]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for row in range(count):
        for place in SCALES[kind]:
            value = HALVES[rng.integers(len(HALVES))] if row % 2 else np.float16(rng.normal(0, 0.05))
            blocks[row, place:place + 2] = np.frombuffer(value.tobytes(), dtype=np.uint8)
    return blocks


def quantised(kind, blocks):
    expected = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind])
    return {"kind": kind.lower(), "blocks": blocks.tobytes().hex(),
            "floats": np.asarray(expected, dtype="<f4").tobytes().hex()}


def sixteen_bit(kind):
    """A sweep over exponents and mantissas: every exponent with a few mantissas, both signs."""
    shift, exponents = (10, 32) if kind == "f16" else (7, 256)
    mantissas = [0, 1, 2, (1 << shift) // 3, (1 << shift) - 1]
    bits = [sign | exponent << shift | m for sign in (0, 0x8000) for exponent in range(exponents) for m in mantissas]
    words = np.array(bits, dtype="<u2")
    if kind == "f16":
        floats = words.view("<f2").astype("<f4")
    else:
        floats = (words.astype("<u4") << 16).view("<f4")
    return {"kind": kind, "blocks": words.tobytes().hex(), "floats": floats.astype("<f4").tobytes().hex()}


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                       pathlib.Path(__file__).parents[2] / "tests" / "goldens" / "quants")
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240617)
    rows = [quantised(kind, random_blocks(kind, 3 if kind.endswith("K") else 6, rng)) for kind in KINDS]
    for row in rows + [sixteen_bit("f16"), sixteen_bit("bf16")]:
        (out / f"{row['kind']}.json").write_text(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
