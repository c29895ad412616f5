"""What is drawn: the same for a seed, boxes around ink, PNG files that say the same."""
import json
import subprocess
import sys
import struct
import zlib

import numpy as np
import pytest

from demo_models import drawing, png, scenes
from demo_models.glyphs import LABELS, make_bank
from live_server import ROOT


@pytest.fixture(scope="module")
def bank():
    return make_bank(1, 1)


def test_a_seed_draws_the_same_again_and_another_does_not(bank):
    one, again, other = (scenes.classify_pictures([seed, 0], bank, 8) for seed in (1, 1, 2))
    assert (one.pixels == again.pixels).all() and (one.labels == again.labels).all()
    assert (one.pixels != other.pixels).mean() > 0.5
    one, again = (scenes.detect_scenes([1, 0], bank, 4) for _ in range(2))
    assert (one.pixels == again.pixels).all() and (one.boxes == again.boxes).all()


def test_a_bank_has_every_class_and_other_hands_differ(bank):
    assert set(bank.classes) == set(range(len(LABELS)))
    assert (np.abs(bank.fields - make_bank(2, 1).fields).max(axis=(1, 2)) > 0.02).all()


def test_a_field_is_the_distance_to_the_curves(bank):
    """A circle's is known: negative inside, and in the middle as far from the border as the circle is wide."""
    row = LABELS.index("circle")
    middle = bank.fields[row, 31:33, 31:33].mean()
    assert -1 < middle < -0.6 and bank.fields[row, 0].min() > 0.3


def test_ink_of_every_class_is_where_its_box_is(bank):
    rng = np.random.default_rng(1)
    variants = np.arange(len(LABELS))
    radii = np.full(len(LABELS), 25, dtype=np.float32)
    body, rimmed = drawing.ink(rng, bank, variants, radii, np.full((len(LABELS), 2), 40, dtype=np.float32), 80)
    assert (rimmed >= body - 1e-6).all()
    for amount in body:
        x1, y1, x2, y2 = scenes.box_of(amount)
        assert 0 < x1 < x2 < 80 and 0 < y1 < y2 < 80 and max(x2 - x1, y2 - y1) > 30
        assert (amount[int(y1):int(y2), int(x1):int(x2)] > 0.5).sum() == (amount > 0.5).sum() > 50


def test_objects_are_inside_and_apart(bank):
    drawn = scenes.detect_scenes([5, 0], bank, 24)
    for boxes, labels in zip(drawn.boxes, drawn.labels):
        some = boxes[labels >= 0]
        assert 1 <= len(some) <= scenes.MAX_OBJECTS
        assert (some[:, :2] >= 0).all() and (some[:, 2:] <= scenes.DETECT_SIZE).all() and (some[:, 2:] - some[:, :2] >= 2).all()
        for i, box in enumerate(some):
            assert all(scenes.covered(box, other) < 0.12 for other in some[:i])


def read_png(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0]
        chunks[kind], at = body, at + 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(height, 1 + 3 * width)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].reshape(height, width, 3)


def test_png():
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    assert (read_png(png.encode(pixels)) == pixels).all()


def test_samples_for_people(tmp_path):
    script = ROOT / "tools" / "demo_models" / "render.py"
    subprocess.run([sys.executable, str(script), "--sample", str(tmp_path), "--count", "2"], check=True, timeout=60)
    told = json.loads((tmp_path / "samples.json").read_text())
    assert len(told) == 4 and sorted(told) == sorted(p.name for p in tmp_path.glob("*.png"))
    for name, what in told.items():
        size = scenes.CLASSIFY_SIZE if name.startswith("classify") else scenes.DETECT_SIZE
        assert read_png((tmp_path / name).read_bytes()).shape == (size, size, 3)
        assert what.get("label") in LABELS or all(o["label"] in LABELS for o in what["objects"])
