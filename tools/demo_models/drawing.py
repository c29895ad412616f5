"""Pictures as float32 arrays [pictures, height, width, 3] of 0 … 1, many at a time: backgrounds, ink, clutter, and what a camera does."""
import numpy as np

from .glyphs import EXTENT, LABELS, NUM_DIGITS, RESOLUTION

LEAN = np.array([25] * NUM_DIGITS + [180 if label == "arrow" else 45 for label in LABELS[NUM_DIGITS:]], dtype=np.float32)   # degrees
PAPER_SHARE = 0.3      # of pictures: dark on white or light on black

# `hardness`, 0 … 1, of several functions: 0 draws dark on white paper, upright and clean, as a beginner needs it; 1 is the full mixture.


def column(values):
    """[n] or [n, 3] → ready to be multiplied with [n, h, w, …]"""
    return values.reshape(values.shape[0], 1, 1, *values.shape[1:])


def uniform(rng, low, high, *shape):
    return (low + (high - low) * rng.random(shape, dtype=np.float32)).astype(np.float32)


# ---- ink

def poses(rng, bank, variants, radii, hardness):
    """For each glyph the matrix from pixels to its field [n, 2, 2], and how many pixels its unit is [n]."""
    n = len(variants)
    angle = np.radians(LEAN[bank.classes[variants]] * (0.3 + 0.7 * hardness) * uniform(rng, -1, 1, n))
    cos, sin = np.cos(angle), np.sin(angle)
    stretch = uniform(rng, 0.92, 1.08, n)
    scale = radii / bank.reach[variants]
    turn = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1) / scale[:, None, None]
    turn[:, 0] *= stretch[:, None]
    return turn.astype(np.float32), scale.astype(np.float32)


def look_up(bank, variants, turn, centres, size):
    """The fields of `variants` seen through windows of size × size pixels, bilinear: [n, size, size]."""
    steps = np.arange(size, dtype=np.float32) + 0.5
    x = steps[None, None, :] - centres[:, 0, None, None]
    y = steps[None, :, None] - centres[:, 1, None, None]
    step = (RESOLUTION - 1) / (2 * EXTENT)
    places = [np.clip((turn[:, i, 0, None, None] * x + turn[:, i, 1, None, None] * y + EXTENT) * step, 0, RESOLUTION - 1.001)
              for i in (0, 1)]
    u, v = (p.astype(np.int32) for p in places)
    fu, fv = places[0] - u, places[1] - v
    flat = bank.fields.reshape(-1)
    at = (variants[:, None, None] * RESOLUTION + v) * RESOLUTION + u
    above = flat.take(at) * (1 - fu) + flat.take(at + 1) * fu
    below = flat.take(at + RESOLUTION) * (1 - fu) + flat.take(at + RESOLUTION + 1) * fu
    return above * (1 - fv) + below * fv


def ink(rng, bank, variants, radii, centres, size, hardness=1.0):
    """How much of each pixel is ink, and how much is ink or the rim around it: two arrays [n, size, size] of 0 … 1."""
    n = len(variants)
    turn, scale = poses(rng, bank, variants, radii, hardness)
    field = look_up(bank, variants, turn, centres, size)
    is_shape = bank.is_shape[variants]
    filled = is_shape & (rng.random(n) < 0.65)
    # A pen is at least 1.1 pixels wide, whatever the glyph's size.
    pen = np.maximum(uniform(rng, 0.06, 0.2, n) * np.where(is_shape, 0.8, 1), 0.55 / scale)
    depth = np.where(column(filled), -field, column(pen) - np.abs(field)) * column(scale)
    sharp = 1 / column(uniform(rng, 1.0, 2.2, n))
    rim = np.where(rng.random(n) < 0.15, uniform(rng, 1, 3, n), 0).astype(np.float32)
    return np.clip(depth * sharp + 0.5, 0, 1), np.clip((depth + column(rim)) * sharp + 0.5, 0, 1)


def blend(canvas, amount, colour):
    """Paints in place: amount [n, h, w], colour [n, 3] or [n, h, w, 3]."""
    colour = column(colour) if colour.ndim == 2 else colour
    canvas += amount[..., None] * (colour - canvas)


# ---- backgrounds

def colours(rng, n, hardness=1.0):
    """Two that a background mixes, and one that is seen on both, [n, 3] each."""
    first = uniform(rng, 0, 1, n, 3)
    second = np.clip(first + uniform(rng, -0.35, 0.35, n, 3) * (rng.random((n, 1)) < 0.7), 0, 1).astype(np.float32)
    choices = uniform(rng, 0, 1, n, 8, 3)
    apart = np.minimum(*(np.linalg.norm(choices - c[:, None], axis=2) for c in (first, second)))
    wanted = uniform(rng, 0.45, 0.9, n)
    enough = apart >= wanted[:, None]
    best = np.where(enough.any(axis=1), enough.argmax(axis=1), apart.argmax(axis=1))
    third = choices[np.arange(n), best]
    paper = rng.random(n) < 1 - (1 - PAPER_SHARE) * hardness
    white = uniform(rng, 0.8, 1, n, 1) - uniform(rng, 0, 0.06, n, 3)
    black = uniform(rng, 0, 0.35, n, 3)
    swap = rng.random((n, 1)) < 0.3 * hardness
    paper_colour, pen_colour = np.where(swap, black, white), np.where(swap, white, black)
    first[paper] = second[paper] = paper_colour[paper]
    third[paper] = pen_colour[paper]
    return first, second, third, paper


def wave(rng, n, size, low, high):
    """Stripes of random direction and width, [n, size, size] of 0 … 1; half of them with hard edges."""
    steps = np.arange(size, dtype=np.float32)
    angle, phase = uniform(rng, 0, np.pi, n), uniform(rng, 0, 6.28, n)
    pace = 2 * np.pi / uniform(rng, low, high, n)
    along = column(np.cos(angle) * pace) * steps[None, None] + column(np.sin(angle) * pace) * steps[None, :, None]
    swing = np.sin(along + column(phase))
    return np.where(column(rng.random(n) < 0.5), swing > 0, 0.5 + 0.5 * swing).astype(np.float32)


def enlarge(coarse, size):
    """[n, c, c, 3] → [n, size, size, 3], bilinear."""
    cells = coarse.shape[1]
    at = np.linspace(0, cells - 1.001, size, dtype=np.float32)
    low = at.astype(np.int32)
    weights = np.zeros((size, cells), dtype=np.float32)
    weights[np.arange(size), low] = 1 - (at - low)
    weights[np.arange(size), low + 1] = at - low
    rows = np.einsum("sc,nckx->nskx", weights, coarse, optimize=True)
    return np.ascontiguousarray(np.einsum("tk,nskx->nstx", weights, rows, optimize=True))


def background(rng, first, second, paper, size):
    """Gradients, stripes and clouds of two colours; paper is plain with little shade."""
    n = len(first)
    mix = wave(rng, n, size, 6, 3 * size)
    mix *= column(np.where(paper, 0, rng.random(n) < 0.6).astype(np.float32))
    canvas = column(first) + mix[..., None] * column(second - first)
    strength = np.where(paper, 0.05, np.where(rng.random(n) < 0.6, uniform(rng, 0, 0.22, n), 0)).astype(np.float32)
    canvas += enlarge(uniform(rng, -1, 1, n, 7, 7, 3), size) * strength[:, None, None, None]
    return np.clip(canvas, 0, 1, out=canvas)


def line(rng, canvas, colour, width, share):
    """A straight line across a share of the pictures, in place."""
    n, size = canvas.shape[:2]
    chosen = np.flatnonzero(rng.random(n) < share)
    steps = np.arange(size, dtype=np.float32)
    angle, k = uniform(rng, 0, np.pi, len(chosen)), len(chosen)
    through = uniform(rng, 0.1, 0.9, k, 2) * size
    away = (column(np.cos(angle)) * (steps[None, None] - column(through[:, 0]))
            + column(np.sin(angle)) * (steps[None, :, None] - column(through[:, 1])))
    some = canvas[chosen]
    blend(some, np.clip(column(width[chosen]) / 2 - np.abs(away) + 0.5, 0, 1), colour[chosen])
    canvas[chosen] = some


def clutter(rng, canvas, lines, hardness=1.0):
    """Thin lines of any colour behind the glyph."""
    n = len(canvas)
    for _ in range(lines):
        line(rng, canvas, uniform(rng, 0, 1, n, 3), uniform(rng, 0.7, 2.5, n), 0.25 * hardness)


# ---- what a camera does

def soften(canvas, amount):
    """Blurs in place by a 3 × 3 kernel, amount [n] of it."""
    inner = canvas[:, 1:-1]
    rows = (canvas[:, :-2] + canvas[:, 2:]) * 0.25 + inner * 0.5 - inner
    inner += rows * amount[:, None, None, None]
    inner = canvas[:, :, 1:-1]
    cols = (canvas[:, :, :-2] + canvas[:, :, 2:]) * 0.25 + inner * 0.5 - inner
    inner += cols * amount[:, None, None, None]


def coarsen(canvas, chosen, factor):
    """As if a smaller picture had been enlarged, in place."""
    some = canvas[chosen]
    n, size, _, channels = some.shape
    small = some.reshape(n, size // factor, factor, size // factor, factor, channels).mean(axis=(2, 4))
    canvas[chosen] = enlarge(small, size)


def expose(rng, canvas, hardness=1.0):
    """Blur, contrast, brightness and noise; 8 bits a channel at the end."""
    n = len(canvas)
    for _ in range(2):
        soften(canvas, uniform(rng, 0, 1, n) * (rng.random(n) < 0.5 * hardness).astype(np.float32))
    gain, shift = uniform(rng, 0.65, 1.15, n), uniform(rng, -0.12, 0.12, n)
    canvas -= 0.5
    canvas *= gain[:, None, None, None]
    canvas += (0.5 + shift)[:, None, None, None]
    noise = np.where(rng.random(n) < 0.6 * hardness, uniform(rng, 0, 0.08, n), 0).astype(np.float32)
    canvas += rng.standard_normal(canvas.shape, dtype=np.float32) * noise[:, None, None, None]
    return (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
