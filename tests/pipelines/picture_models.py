"""A detector and a classifier of coloured squares, whose answers are known by arithmetic, and the pipeline of both."""
import struct
import zlib

import numpy as np
from onnx import helper

from graphs import constant, save, tensor
from pipeline_models import F32, pipeline

SIDE, CELL = 64, 16  # the detector's input, and its cells: a box each
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}

NAME_SQUARES = """
description = "Finds squares of one colour, cuts them out, names the colour of each."
task = "detect"

[input.file]
dtype = "BYTES"
shape = [1]

[[step]]
name = "picture"
do = "decode_image"
inputs = "input.file"

[[step]]
name = "prepared"
do = "fit_image"
size = [64, 64]
resize = "stretch"
inputs = "picture"

[[step]]
name = "detect"
model = "square_detector"
inputs = { image = "prepared.tensor" }

[[step]]
name = "found"
do = "nms"
score_threshold = 0.9
inputs = { boxes = "detect.boxes", scores = "detect.scores" }

[[step]]
name = "places"
do = "boxes_to_picture"
inputs = { boxes = "found.boxes", placement = "prepared.placement", image = "picture" }

[[step]]
name = "squares"
do = "crop_boxes"
size = [8, 8]
inputs = { image = "picture", boxes = "places" }

[[step]]
name = "classify"
model = "colour_classifier"
inputs = { image = "squares" }

[[step]]
name = "colour"
do = "argmax"
labels = "colours.txt"
inputs = "classify.colours"

[[step]]
name = "answer"
do = "map_json"
each_row = true
inputs = { colour = "colour.labels", score = "found.scores", box = "places" }

[output.json]
from = "answer"
"""


def png(pixels):
    """A PNG file of [height, width, 3] bytes."""
    height, width, _ = pixels.shape
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def squares(cells, scale=2):
    """A black picture with a square of the colour in each (row, column); its file."""
    pixels = np.zeros((SIDE * scale, SIDE * scale, 3), np.uint8)
    side = CELL * scale
    for (row, column), colour in cells.items():
        pixels[row * side:(row + 1) * side, column * side:(column + 1) * side] = COLOURS[colour]
    return png(pixels)


def make_picture_models(folder):
    count = (SIDE // CELL) ** 2
    corners = np.array([[x, y, x + CELL, y + CELL] for y in range(0, SIDE, CELL) for x in range(0, SIDE, CELL)], np.float32)
    # The mean of each cell's brightest channel: 1 inside a square, 0 beside.
    save(folder, "square_detector",
         [helper.make_node("ReduceMax", ["image"], ["brightest"], axes=[1], keepdims=1),
          helper.make_node("AveragePool", ["brightest"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
          helper.make_node("Reshape", ["cells", "matrix"], ["scores"]),
          helper.make_node("Identity", ["corners"], ["boxes"])],
         [tensor("image", F32, [1, 3, SIDE, SIDE])],
         [tensor("boxes", F32, [count, 4]), tensor("scores", F32, [count, 1])],
         [constant("matrix", np.array([count, 1], np.int64)), constant("corners", corners)])
    save(folder, "colour_classifier",
         [helper.make_node("GlobalAveragePool", ["image"], ["means"]), helper.make_node("Flatten", ["means"], ["colours"])],
         [tensor("image", F32, ["n", 3, 8, 8])], [tensor("colours", F32, ["n", 3])])
    pipeline(folder, "name_squares", NAME_SQUARES, colours_txt="\n".join(COLOURS))
    return folder
