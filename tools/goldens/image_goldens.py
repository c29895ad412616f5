#!/usr/bin/env python3
"""Writes tests/goldens/images/{decode,resize,fit}.json: small synthetic pictures and what Pillow makes of them, as hex.

usage: image_goldens.py [OUT_FOLDER]      needs: pip install pillow numpy
"""
import io
import json
import pathlib
import sys

import numpy as np
from PIL import Image, ImageOps

FILTERS = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def synthetic(width, height, seed):
    """Gradients with a disc, hard edges and some noise: smooth and sharp parts in every picture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x * 7 + y * 13) % 256], axis=-1).astype(np.int64)
    disc = (x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (min(width, height) * 0.25) ** 2
    picture[disc] = rng.integers(0, 256, 3)
    picture[(x // 3 + y // 3) % 5 == 0] //= 3
    picture += rng.integers(-12, 13, picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def encoded(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def expected(data):
    opened = Image.open(io.BytesIO(data))
    if opened.mode.startswith("I"):  # Pillow clips 16-bit grey to 255; here it is the upper byte, as for 16-bit colour
        opened = Image.fromarray((np.asarray(opened).astype(np.uint32) >> 8).astype(np.uint8))
    return ImageOps.exif_transpose(opened).convert("RGB")


def decode_cases():
    rgb = synthetic(17, 13, 1)
    grey = rgb.convert("L")
    alpha = Image.fromarray(np.tile(np.arange(17, dtype=np.uint8) * 15, (13, 1)))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    files = {
        "jpeg 4:4:4": encoded(rgb, "JPEG", quality=90, subsampling=0),
        "jpeg 4:2:0": encoded(rgb, "JPEG", quality=75, subsampling=2),
        "jpeg 4:2:2": encoded(rgb, "JPEG", quality=85, subsampling=1),
        "jpeg grey": encoded(grey, "JPEG", quality=90),
        "jpeg progressive": encoded(rgb, "JPEG", quality=80, progressive=True),
        "jpeg cmyk": encoded(rgb.convert("CMYK"), "JPEG", quality=90),
        "jpeg rgb": encoded(rgb, "JPEG", quality=90, keep_rgb=True),
        "png rgb": encoded(rgb, "PNG"),
        "png rgba": encoded(rgba, "PNG"),
        "png grey": encoded(grey, "PNG"),
        "png grey and alpha": encoded(rgba.convert("LA"), "PNG"),
        "png 16-bit grey": encoded(Image.fromarray((np.asarray(grey).astype(np.int64) * 257 - 3 * (np.asarray(grey) > 0)).astype(np.uint16)), "PNG"),
        "png 1-bit": encoded(grey.convert("1"), "PNG"),
        "png with orientation": encoded(rgb, "PNG", exif=with_orientation(6)),
        "webp lossless": encoded(rgb, "WEBP", lossless=True),
        "webp lossy": encoded(rgb, "WEBP", quality=80),
        "webp alpha": encoded(rgba, "WEBP", lossless=True, exact=True),
        "webp with orientation": encoded(rgb, "WEBP", lossless=True, exif=with_orientation(8)),
    }
    for bits in (1, 2, 4, 8):
        files[f"png palette of {bits} bits"] = encoded(rgb.quantize(2**bits), "PNG", bits=bits)
    for value in range(1, 9):
        files[f"jpeg orientation {value}"] = encoded(rgb, "JPEG", quality=95, subsampling=0, exif=with_orientation(value))
    return [{"name": name, "file": data.hex(), **pixels(expected(data))} for name, data in files.items()]


def pixels(picture):
    return {"width": picture.width, "height": picture.height, "rgb": picture.tobytes().hex()}


def resize_cases():
    cases = []
    shapes = [(31, 23), (9, 40), (40, 9), (16, 16), (5, 4)]
    sizes = [(8, 8), (13, 5), (31, 7), (3, 23), (20, 18)]
    for seed, (width, height) in enumerate(shapes):
        source = synthetic(width, height, 10 + seed)
        made = [{"filter": name, **pixels(source.resize(sizes[(seed + i) % len(sizes)], code))} for i, (name, code) in enumerate(FILTERS.items())]
        made += [{"filter": name, **pixels(source.resize(sizes[(seed + i + 2) % len(sizes)], code))} for i, (name, code) in enumerate(FILTERS.items())]
        cases.append({"source": pixels(source), "results": made})
    return cases


def fitted(source, fit, size, fraction, filter):
    width, height = size
    if fit == "stretch":
        return source.resize(size, FILTERS[filter])
    if fit == "crop":  # as torchvision's Resize and CenterCrop, for square sizes
        short = int(width / fraction + 1e-6)
        w, h = source.size
        whole = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
        left, top = round((whole[0] - width) / 2), round((whole[1] - height) / 2)
        return source.resize(whole, FILTERS[filter]).crop((left, top, left + width, top + height))
    scale = min(width / source.width, height / source.height)
    inner = source.resize((round(source.width * scale), round(source.height * scale)), FILTERS[filter])
    padded = Image.new("RGB", size, (114, 114, 114))
    padded.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return padded


def fit_cases():
    cases = []
    for seed, (width, height) in enumerate([(32, 24), (19, 37), (16, 16), (50, 6)]):
        source = synthetic(width, height, 30 + seed)
        for fit, filter, fraction in (("stretch", "bilinear", 1), ("crop", "bilinear", 0.875), ("crop", "bicubic", 1), ("letterbox", "bilinear", 1)):
            cases.append({"source": pixels(source), "fit": fit, "filter": filter, "fraction": fraction, "result": pixels(fitted(source, fit, (14, 14), fraction, filter))})
    return cases


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "images")
    folder.mkdir(parents=True, exist_ok=True)
    grey = synthetic(12, 8, 50)
    tables = {"decode": decode_cases(), "resize": resize_cases(), "fit": fit_cases(),
              "luma": {"source": pixels(grey), "grey": grey.convert("L").tobytes().hex()}}
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
