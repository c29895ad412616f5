"""What is drawn: each class as curves in a square of -1 … 1 (y down), and a bank of distance fields made of them.

A field holds, for each point of a grid, the distance to the nearest stroke (digits, line arrows) or the signed distance to the
border of a shape (negative inside). From it a glyph of any size, angle, width and softness is one lookup a pixel (drawing.py).
"""
import dataclasses

import numpy as np

LABELS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "circle", "square", "triangle", "star", "heart", "cross", "arrow", "moon"]
NUM_DIGITS = 10
EXTENT = 1.5      # fields reach from -EXTENT to EXTENT
RESOLUTION = 64   # points of a field in each direction


@dataclasses.dataclass
class Bank:
    """Fields of many variants of each class. Nothing changes it once it is made: threads share it."""
    fields: np.ndarray     # [variants, RESOLUTION, RESOLUTION] float32
    classes: np.ndarray    # [variants]
    is_shape: np.ndarray   # [variants] signed field: may be filled
    reach: np.ndarray      # [variants] the farthest point of its curves from the middle


def arc(x, y, rx, ry, start, end, points=14):
    """Part of an ellipse; degrees, 0 is right, 90 is down."""
    angles = np.radians(np.linspace(start, end, points))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], axis=1)


def path(*parts):
    return np.concatenate([np.atleast_2d(np.asarray(part, dtype=float)) for part in parts])


# ---- digits: each style is a list of strokes

def digit_0(rng):
    return [arc(0, 0, rng.uniform(0.42, 0.6), 0.85, 0, 360, 28)]


def digit_1(rng):
    flag = path((-rng.uniform(0.38, 0.55), -rng.uniform(0.3, 0.5)), (0, -0.85), (0, 0.85))
    return [flag] if rng.random() < 0.4 else [flag, path((-0.35, 0.85), (0.35, 0.85))]


def digit_2(rng):
    top = arc(0, -0.4, 0.5, 0.45, 190, 385)
    return [path(top, (-0.5, 0.85), (0.55, 0.85 if rng.random() < 0.7 else 0.75))]


def digit_3(rng):
    below = arc(-0.05, 0.4, 0.52, 0.45, -90, 150)
    if rng.random() < 0.3:
        return [path((-0.45, -0.85), (0.45, -0.85), (-0.05, -0.1), below)]
    return [path(arc(-0.05, -0.45, 0.45, 0.4, 205, 445), (-0.15, -0.05), below)]


def digit_4(rng):
    across = rng.uniform(0.2, 0.4)
    if rng.random() < 0.5:
        return [path((0.25, 0.85), (0.25, -0.85), (-0.55, across), (0.6, across))]
    return [path((-0.3, -0.8), (-0.5, across), (0.6, across)), path((0.25, -0.4 if rng.random() < 0.5 else -0.8), (0.25, 0.85))]


def digit_5(rng):
    return [path((0.45, -0.85), (-0.38, -0.85), (-0.45, -0.1), arc(-0.05, 0.32, 0.52, 0.5, 225, 505))]


def digit_6(rng):
    top = arc(0.3, 0.2, 0.8, 1.05, 270 if rng.random() < 0.5 else 290, 185)
    return [path(top, arc(0, 0.38, 0.48, 0.46, 180, -180, 20))]


def digit_7(rng):
    strokes = [path((-0.5, -0.85), (0.5, -0.85), (-0.15, 0.85))]
    if rng.random() < 0.3:
        strokes.append(path((-0.25, 0.02), (0.38, 0.02)))
    return strokes


def digit_8(rng):
    upper = rng.uniform(0.36, 0.44)
    return [arc(0, -0.85 + upper, upper, upper, 0, 360, 20), arc(0, 2 * upper - 0.85 + 0.45, 0.5, 0.45, 0, 360, 20)]


def digit_9(rng):
    loop = arc(0, -0.38, 0.48, 0.46, 0, 360, 20)
    if rng.random() < 0.5:
        return [loop, path((0.48, -0.38), (0.42, 0.85))]
    return [loop, arc(-0.3, -0.2, 0.78, 1.05, 0, 95)]


# ---- shapes: one closed outline

def circle(rng):
    return arc(0, 0, 0.85, 0.85 * rng.uniform(0.88, 1.12), 0, 360, 33)[:-1]


def square(rng):
    a, b = 0.75, 0.75 * rng.uniform(0.8, 1.2)
    return path((-a, -b), (a, -b), (a, b), (-a, b))


def triangle(rng):
    return path((rng.uniform(-0.4, 0.4), -0.85), (0.85, 0.7), (-0.85, 0.7))


def star(rng):
    tips = 5 if rng.random() < 0.75 else 6
    radii = np.where(np.arange(2 * tips) % 2, rng.uniform(0.38, 0.52) + 0.1 * (tips - 5), 0.95)
    angles = np.pi * np.arange(2 * tips) / tips - np.pi / 2
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def heart(rng):
    t = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return np.stack([0.9 * x, 0.9 * rng.uniform(0.85, 1.1) * y], axis=1)


def cross(rng):
    a, b = rng.uniform(0.16, 0.34), 0.85
    return path((-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a))


def arrow(rng):
    shaft, wing, neck = rng.uniform(0.12, 0.28), rng.uniform(0.5, 0.75), rng.uniform(-0.1, 0.3)
    return path((-0.9, -shaft), (neck, -shaft), (neck, -wing), (0.95, 0), (neck, wing), (neck, shaft), (-0.9, shaft))


def line_arrow(rng):
    back, wing = rng.uniform(0.2, 0.4), rng.uniform(0.4, 0.6)
    return [path((-0.9, 0), (0.9, 0)), path((back, -wing), (0.9, 0), (back, wing))]


def moon(rng):
    far, radius, inner = rng.uniform(0.3, 0.5), 0.88, 0.76
    outer_tip = np.degrees(np.arccos((radius ** 2 + far ** 2 - inner ** 2) / (2 * radius * far)))
    inner_tip = np.degrees(np.arccos((radius ** 2 - far ** 2 - inner ** 2) / (2 * inner * far)))
    return path(arc(0, 0, radius, radius, outer_tip, 360 - outer_tip, 24), arc(far, 0, inner, inner, 360 - inner_tip, inner_tip, 20))


DIGITS = [digit_0, digit_1, digit_2, digit_3, digit_4, digit_5, digit_6, digit_7, digit_8, digit_9]
SHAPES = [circle, square, triangle, star, heart, cross, arrow, moon]


def bend(points, rng, strength):
    """As another hand would draw it: stretched, slanted, and along a slow wave."""
    turn = np.array([[1 + rng.uniform(-1, 1) * strength, rng.uniform(-2, 2) * strength], [0, 1 + rng.uniform(-1, 1) * strength]])
    waves = rng.uniform(-1, 1, (2, 2)) * strength * 0.6
    phase = rng.uniform(0, 2 * np.pi, (2, 2))

    def apply(p):
        p = p @ turn.T
        return p + np.stack([waves[i, 0] * np.sin(2.2 * p[:, 1] + phase[i, 0]) + waves[i, 1] * np.sin(2.2 * p[:, 0] + phase[i, 1])
                             for i in (0, 1)], axis=1)
    return [apply(p) for p in points]


def grid():
    steps = np.linspace(-EXTENT, EXTENT, RESOLUTION, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 1, 2)


def segments_of(curves, closed):
    starts = [c if closed else c[:-1] for c in curves]
    ends = [np.roll(c, -1, axis=0) if closed else c[1:] for c in curves]
    return np.concatenate(starts).astype(np.float32), np.concatenate(ends).astype(np.float32)


def distance(points, starts, ends):
    """To the nearest of the segments, [points]."""
    along = ends - starts
    away = points - starts
    length = np.maximum((along ** 2).sum(axis=1), 1e-9)
    t = np.clip((away * along).sum(axis=2) / length, 0, 1)
    return np.sqrt((((away - t[..., None] * along) ** 2).sum(axis=2)).min(axis=1))


def inside(points, starts, ends):
    """Even-odd rule, [points]."""
    x, y = points[..., 0], points[..., 1]
    crosses = (starts[:, 1] > y) != (ends[:, 1] > y)
    rise = np.where(ends[:, 1] == starts[:, 1], 1, ends[:, 1] - starts[:, 1])
    at = starts[:, 0] + (y - starts[:, 1]) * (ends[:, 0] - starts[:, 0]) / rise
    return ((crosses & (x < at)).sum(axis=1) % 2).astype(bool)


def make_field(label, rng):
    """One variant of a class: its field, whether that is signed, and its reach."""
    if label < NUM_DIGITS:
        curves, closed = bend(DIGITS[label](rng), rng, 0.09), False
    elif LABELS[label] == "arrow" and rng.random() < 0.4:
        curves, closed = bend(line_arrow(rng), rng, 0.05), False
    else:
        curves, closed = bend([SHAPES[label - NUM_DIGITS](rng)], rng, 0.045), True
    starts, ends = segments_of(curves, closed)
    points = grid()
    field = distance(points, starts, ends)
    if closed:
        field = np.where(inside(points, starts, ends), -field, field)
    reach = np.sqrt((np.concatenate(curves) ** 2).sum(axis=1).max())
    return field.reshape(RESOLUTION, RESOLUTION), closed, reach


def make_bank(seed, variants):
    """`variants` of each class. Other seeds are other hands: the held-out pictures have a bank of their own."""
    rng = np.random.default_rng([seed, 1])
    classes = np.repeat(np.arange(len(LABELS)), variants)
    made = [make_field(label, rng) for label in classes]
    fields, signed, reach = zip(*made)
    return Bank(np.stack(fields).astype(np.float32), classes, np.array(signed), np.array(reach, dtype=np.float32))
