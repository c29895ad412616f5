"""Random weights as GGUF's Q4_K and Q6_K super-blocks of 256, for speed only: the `gguf` package reads these kinds and cannot
write them. The fields are drawn so that the values have mean 0 and about the standard deviation asked for."""
import numpy as np

BLOCK = 256  # weights
UNIFORM_16, UNIFORM_64 = 4.61, 18.47  # standard deviations of whole numbers drawn evenly from 0..15 and 0..63


def _half(value, blocks):
    return np.full((blocks, 1), value, np.float16).view(np.uint8)


def _bytes(draw, blocks, count):
    return draw.integers(0, 256, (blocks, count), dtype=np.uint8)


def _pack_six_bits(scales, mins):
    """Eight 6-bit scales and eight 6-bit minima in 12 bytes: four of each whole, the upper two bits of the others above them,
    and the lower four bits of the others in the last four bytes."""
    first = scales[:, :4] | (scales[:, 4:] >> 4) << 6
    second = mins[:, :4] | (mins[:, 4:] >> 4) << 6
    third = (scales[:, 4:] & 15) | (mins[:, 4:] & 15) << 4
    return np.concatenate([first, second, third], axis=1)


def q4_k(draw, blocks, deviation):
    """[blocks, 144]: f16 d, f16 dmin, 12 bytes of scales and minima, 128 bytes of 4-bit q; value = d·scale·q − dmin·min."""
    scales = draw.integers(32, 64, (blocks, 8), dtype=np.uint8)
    d = deviation / (scales.mean() * UNIFORM_16)
    mean_q = 7.5  # dmin = 7.5 d and min = scale put the mean at 0
    return np.concatenate([_half(d, blocks), _half(d * mean_q, blocks), _pack_six_bits(scales, scales),
                           _bytes(draw, blocks, 128)], axis=1)


def q6_k(draw, blocks, deviation):
    """[blocks, 210]: 128 bytes of low and 64 of high bits of q, 16 scales of 8 bits, f16 d; value = d·scale·(q − 32)."""
    scales = draw.integers(64, 128, (blocks, 16), dtype=np.uint8)
    scales[draw.random((blocks, 16)) < 0.5] *= np.uint8(255)  # the negative of a byte
    d = deviation / (96 * UNIFORM_64)
    return np.concatenate([_bytes(draw, blocks, 192), scales, _half(d, blocks)], axis=1)


def rows_of_blocks(kind, draw, rows, columns, deviation):
    """A matrix [rows, bytes a row]; `columns` is a multiple of 256. `kind` is q4_k or q6_k."""
    return kind(draw, rows * (columns // BLOCK), deviation).reshape(rows, -1)
