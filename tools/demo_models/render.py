#!/usr/bin/env python3
"""Writes sample pictures as PNG, as the demo models are tested with: DIR/classify-<n>-<label>.png and DIR/detect-<n>.png, and
DIR/samples.json with what is on them.

usage: tools/demo_models/render.py --sample DIR [--count 12] [--seed 1]      needs numpy
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from demo_models import png  # noqa: E402
from demo_models.glyphs import LABELS, make_bank  # noqa: E402
from demo_models.scenes import classify_pictures, detect_scenes  # noqa: E402


def write_samples(folder, count, seed):
    folder.mkdir(parents=True, exist_ok=True)
    bank = make_bank(seed + 2, 2)   # neither the hands of training nor those of the held-out pictures
    pictures, scenes = classify_pictures([seed + 2, 0], bank, count), detect_scenes([seed + 2, 0], bank, count)
    told = {}
    for i, (pixels, label) in enumerate(zip(pictures.pixels, pictures.labels)):
        name = f"classify-{i:02}-{LABELS[label]}.png"
        (folder / name).write_bytes(png.encode(pixels))
        told[name] = {"label": LABELS[label]}
    for i, (pixels, boxes, labels) in enumerate(zip(scenes.pixels, scenes.boxes, scenes.labels)):
        name = f"detect-{i:02}.png"
        (folder / name).write_bytes(png.encode(pixels))
        told[name] = {"objects": [{"label": LABELS[label], "box": [int(v) for v in box]} for box, label in zip(boxes, labels) if label >= 0]}
    (folder / "samples.json").write_text(json.dumps(told, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Writes sample pictures of the demo models as PNG.")
    parser.add_argument("--sample", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=12, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    write_samples(wanted.sample, wanted.count, wanted.seed)


if __name__ == "__main__":
    main()
