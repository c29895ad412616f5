"""The two sets of pictures: one glyph to be named (classify), several to be found (detect). A seed (a list of numbers) always gives the same."""
import dataclasses

import numpy as np

from . import drawing
from .drawing import blend, uniform

CLASSIFY_SIZE = 64
DETECT_SIZE = 128
MAX_OBJECTS = 6
SMALLEST, LARGEST = 8, 30     # pixels from the middle of an object of `detect` to its end
PADS = (0, 114, 128, 255)     # what letterboxing puts beside a picture


@dataclasses.dataclass
class Pictures:
    pixels: np.ndarray   # [n, size, size, 3] uint8
    labels: np.ndarray   # [n] of classify


@dataclasses.dataclass
class Scenes:
    pixels: np.ndarray   # [n, size, size, 3] uint8
    boxes: np.ndarray    # [n, MAX_OBJECTS, 4] float32, x1 y1 x2 y2 in pixels
    labels: np.ndarray   # [n, MAX_OBJECTS], -1: no object


def classify_pictures(seed, bank, n, hardness=1.0):
    rng = np.random.default_rng([*seed, 2])
    size = CLASSIFY_SIZE
    variants = rng.integers(len(bank.classes), size=n)
    radii = uniform(rng, 24 - 9 * hardness, 31 + 2 * hardness, n)
    room = np.maximum(size / 2 - radii, 0) + 2
    centres = size / 2 + uniform(rng, -1, 1, n, 2) * room[:, None]
    first, second, third, paper = drawing.colours(rng, n, hardness)
    canvas = drawing.background(rng, first, second, paper, size)
    drawing.clutter(rng, canvas, 3, hardness)
    body, rimmed = drawing.ink(rng, bank, variants, radii, centres, size, hardness)
    blend(canvas, rimmed, uniform(rng, 0, 1, n, 3))
    blend(canvas, body, third)
    drawing.line(rng, canvas, uniform(rng, 0, 1, n, 3), uniform(rng, 1.5, 6, n), 0.12 * hardness)   # in front
    small = rng.random(n)
    drawing.coarsen(canvas, np.flatnonzero(small < 0.12 * hardness), 2)
    drawing.coarsen(canvas, np.flatnonzero((small > 1 - 0.05 * hardness) & (radii > 27)), 4)
    pixels = drawing.expose(rng, canvas, hardness)
    crop(rng, pixels, body, 0.35 * hardness)
    return Pictures(pixels, bank.classes[variants])


def crop(rng, pixels, body, share):
    """Some pictures come as a crop out of a larger one does when it is letterboxed: bars beside the object, in place."""
    for i in np.flatnonzero(rng.random(len(pixels)) < share):
        x1, y1, x2, y2 = box_of(body[i])
        margin = rng.integers(0, 5, 4)
        pad = PADS[rng.integers(len(PADS))]
        if x2 - x1 < y2 - y1:
            pixels[i, :, :max(int(x1) - margin[0], 0)] = pixels[i, :, int(x2) + margin[1]:] = pad
        else:
            pixels[i, :max(int(y1) - margin[2], 0)] = pixels[i, int(y2) + margin[3]:] = pad


def box_of(amount):
    """The box of what is more ink than not: x1 y1 x2 y2; of all where nothing is."""
    solid = amount > 0.5
    xs, ys = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    if not len(xs):
        return np.array([0, 0, amount.shape[1], amount.shape[0]], dtype=np.float32)
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], dtype=np.float32)


# ---- detect

def stamps(rng, bank, variants, radii):
    """Glyphs in windows as small as they fit into (two sizes), for pasting: list of (body, rimmed, box)."""
    made = [None] * len(variants)
    for low, high in ((0, 17), (17, np.inf)):
        group = np.flatnonzero((radii >= low) & (radii < high))
        if not len(group):
            continue
        size = 2 * int(np.ceil(min(high, radii.max()) * 1.3 + 3))
        middle = size / 2 + uniform(rng, -0.5, 0.5, len(group), 2)
        body, rimmed = drawing.ink(rng, bank, variants[group], radii[group], middle, size)
        for i, b, r in zip(group, body, rimmed):
            made[i] = (b, r, box_of(b))
    return made


def free_place(rng, box, taken):
    """Where to put the window so that its box is in the picture and hardly on others; None if that is not found."""
    width, height = box[2] - box[0], box[3] - box[1]
    for _ in range(12):
        x, y = rng.integers(0, DETECT_SIZE - int(width) + 1), rng.integers(0, DETECT_SIZE - int(height) + 1)
        mine = np.array([x, y, x + width, y + height], dtype=np.float32)
        if all(covered(mine, other) < 0.12 for other in taken):
            return mine
    return None


def covered(a, b):
    """Which share of the smaller box the two have in common."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = max(sides[0], 0) * max(sides[1], 0)
    return common / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def paste(canvas, stamp, place, colour, rim_colour):
    """One stamp onto one picture, in place; windows may reach over the border."""
    body, rimmed, box = stamp
    left, top = int(place[0] - box[0]), int(place[1] - box[1])
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + body.shape[1], DETECT_SIZE), min(top + body.shape[0], DETECT_SIZE)
    window = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
    target = canvas[y1:y2, x1:x2]
    target += rimmed[window][..., None] * (rim_colour - target)
    target += body[window][..., None] * (colour - target)


def ink_colour(rng, under, wanted):
    """A colour that is seen on `under` [3]."""
    choices = rng.random((8, 3), dtype=np.float32)
    apart = np.linalg.norm(choices - under, axis=1)
    return choices[np.argmax(apart >= wanted) if (apart >= wanted).any() else np.argmax(apart)]


def detect_scenes(seed, bank, n, hardness=1.0):
    rng = np.random.default_rng([*seed, 3])
    size = DETECT_SIZE
    first, second, third, paper = drawing.colours(rng, n, hardness)
    canvas = drawing.background(rng, first, second, paper, size)
    drawing.clutter(rng, canvas, 4, hardness)
    boxes = np.zeros((n, MAX_OBJECTS, 4), dtype=np.float32)
    labels = np.full((n, MAX_OBJECTS), -1)
    counts = rng.integers(1, MAX_OBJECTS + 1, n)
    variants = rng.integers(len(bank.classes), size=counts.sum())
    radii = np.exp(uniform(rng, np.log(SMALLEST), np.log(LARGEST), len(variants)))
    made = iter(zip(variants, stamps(rng, bank, variants, radii)))
    for i, count in enumerate(counts):
        taken = []
        for _ in range(count):
            variant, stamp = next(made)
            place = free_place(rng, stamp[2], taken)
            if place is None:
                continue
            middle = ((place[:2] + place[2:]) / 2).astype(int)
            under = (first[i] + second[i]) / 2 if paper[i] else canvas[i, min(middle[1], size - 1), min(middle[0], size - 1)].copy()
            colour = third[i] if paper[i] and rng.random() < 0.7 else ink_colour(rng, under, rng.uniform(0.45, 0.9))
            paste(canvas[i], stamp, place, colour, rng.random(3, dtype=np.float32))
            boxes[i, len(taken)], labels[i, len(taken)] = place, bank.classes[variant]
            taken.append(place)
    drawing.line(rng, canvas, uniform(rng, 0, 1, n, 3), uniform(rng, 1, 4, n), 0.2 * hardness)   # in front
    return Scenes(drawing.expose(rng, canvas, hardness), boxes, labels)
