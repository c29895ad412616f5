"""Pictures, the small graphs that show what became of them, and the same steps done by Pillow."""
import io
import os
import pathlib
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image, ImageOps

SIDE = 18
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS, "box": Image.BOX}


def data_folder(*parts):
    """A folder of the optional test data (MILLRACE_DATA), or a skip."""
    root = os.environ.get("MILLRACE_DATA")
    folder = pathlib.Path(root, *parts) if root else None
    if folder is None or not folder.exists():
        pytest.skip(f"needs test data: set MILLRACE_DATA to a folder with {'/'.join(parts)}")
    return folder


def add_pixels(models, name, table):
    """A graph whose 'classes' are the numbers of its input: what the server made of a picture can be read from the answer."""
    folder = models / name
    folder.mkdir()
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3, SIDE, SIDE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 3 * SIDE * SIDE])
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"], axis=1)], name, [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx")
    (folder / "model.toml").write_text(f'precision = "exact"\n[image]\ntask = "classify"\nsoftmax = false\nscale = 1\n{table}\n')


def add_model(models, name, source, toml, *files):
    """A copy of a graph from the test data, with its model.toml and further files."""
    folder = models / name
    folder.mkdir()
    (folder / "model.onnx").symlink_to(source)
    (folder / "model.toml").write_text(toml)
    for file in files:
        shutil.copy(file, folder / file.name)


def pixels_of(picture_answer):
    """The picture that the server made, [3, SIDE, SIDE]."""
    values = np.zeros(3 * SIDE * SIDE)
    for found in picture_answer["classes"]:
        values[found["index"]] = found["score"]
    return values.reshape(3, SIDE, SIDE)


def opened(data):
    picture = Image.open(io.BytesIO(data))
    if picture.mode.startswith("I"):  # Pillow clips 16-bit grey to 255; the upper byte is meant
        picture = Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).astype(np.uint8))
    return ImageOps.exif_transpose(picture).convert("RGB")


def cropped(picture, short, side, filter):
    """torchvision's Resize(short) and CenterCrop(side)."""
    w, h = picture.size
    size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return picture.resize(size, FILTERS[filter]).crop((left, top, left + side, top + side))


def encoded(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def synthetic(width, height, seed):
    """Smooth parts, hard edges and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 / width, y * 255 / height, 127 + 120 * np.sin(x / 5 + y / 9)], axis=-1)
    picture[(x - width / 2) ** 2 + (y - height / 3) ** 2 < (min(width, height) / 4) ** 2] = rng.integers(0, 256, 3)
    picture += rng.normal(0, 8, picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def files():
    """{name: bytes} of at least twenty pictures: made here, and the photographs of the test data where they are."""
    made = {}
    for seed, (width, height) in enumerate([(64, 48), (48, 64), (301, 97), (97, 301), (18, 18), (5, 4), (640, 480), (200, 200), (19, 1000), (33, 17)]):
        picture = synthetic(width, height, seed)
        made[f"{width}x{height}.png"] = encoded(picture, "PNG")
        made[f"{width}x{height}.jpg"] = encoded(picture, "JPEG", quality=85)
        made[f"{width}x{height}.webp"] = encoded(picture, "WEBP", quality=85)
    root = os.environ.get("MILLRACE_DATA")
    if root:
        photographs = pathlib.Path(root, "F_images").rglob("*.jp*g")
        made.update({path.name: path.read_bytes() for path in sorted(photographs)})
    return made
