"""Random K-quant blocks decode to weights of the size asked for; the decoders here were written from the format's description."""
import numpy as np
import pytest

import kquant_blocks

BLOCKS, DEVIATION = 64, 0.02


def half(blocks, at):
    return blocks[:, at:at + 2].copy().view(np.float16).astype(np.float64)


def decode_q4_k(blocks):
    values = np.empty((len(blocks), 256))
    packed = blocks[:, 4:16].astype(np.int64)
    for group in range(8):
        if group < 4:
            scale, low = packed[:, group] & 63, packed[:, group + 4] & 63
        else:
            scale = packed[:, group + 4] & 15 | packed[:, group - 4] >> 6 << 4
            low = packed[:, group + 4] >> 4 | packed[:, group] >> 6 << 4
        start = 16 + 32 * (group // 2)
        q = blocks[:, start:start + 32] >> (4 * (group % 2)) & 15
        values[:, 32 * group:32 * group + 32] = half(blocks, 0) * scale[:, None] * q - half(blocks, 2) * low[:, None]
    return values


def decode_q6_k(blocks):
    values = np.empty((len(blocks), 256))
    scales = blocks[:, 192:208].view(np.int8).astype(np.float64)
    for i in range(256):
        part, within = divmod(i, 128)
        quarter, column = divmod(within, 32)
        low = blocks[:, 64 * part + 32 * (quarter % 2) + column] >> (4 * (quarter // 2)) & 15
        high = blocks[:, 128 + 32 * part + column] >> (2 * quarter) & 3
        values[:, i] = half(blocks, 208)[:, 0] * scales[:, i // 16] * ((low | high << 4).astype(np.int64) - 32)
    return values


@pytest.mark.parametrize("make, size, decode", [(kquant_blocks.q4_k, 144, decode_q4_k), (kquant_blocks.q6_k, 210, decode_q6_k)])
def test_random_blocks_are_ordinary_weights(make, size, decode):
    blocks = make(np.random.default_rng(1), BLOCKS, DEVIATION)
    assert blocks.shape == (BLOCKS, size) and blocks.dtype == np.uint8
    values = decode(blocks)
    assert np.isfinite(values).all()
    assert abs(values.mean()) < 0.05 * DEVIATION
    assert abs(values.std() / DEVIATION - 1) < 0.1


def test_a_row_is_whole_blocks():
    rows = kquant_blocks.rows_of_blocks(kquant_blocks.q4_k, np.random.default_rng(1), 3, 512, DEVIATION)
    assert rows.shape == (3, 2 * 144)
