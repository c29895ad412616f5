"""A detector and a classifier of coloured squares, whose answers are known by arithmetic, and the pipeline of both."""
import pathlib
import sys

import numpy as np
from onnx import helper

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from demo_models import png  # noqa: E402
from demo_models.find_and_cut import find_and_cut  # noqa: E402
from graphs import constant, save, tensor  # noqa: E402
from pipeline_models import F32, pipeline  # noqa: E402

SIDE, CELL = 64, 16  # the detector's input, and its cells: a box each
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}

HEAD = """description = "Finds squares of one colour, cuts them out, names the colour of each."
task = "detect"

"""
FOUND = """do = "nms"
score_threshold = 0.9
inputs = { boxes = "detector.boxes", scores = "detector.scores" }
"""
NAMED = """
[[step]]
name = "classify"
model = "colour_classifier"
inputs = { image = "parts" }

[[step]]
name = "colour"
do = "argmax"
labels = "colours.txt"
inputs = "classify.colours"

[[step]]
name = "answer"
do = "map_json"
each_row = true
inputs = { colour = "colour.labels", score = "found.scores", box = "boxes" }

[output.json]
from = "answer"
"""
NAME_SQUARES = HEAD + find_and_cut("square_detector", 'size = [64, 64]\nresize = "stretch"', FOUND, "size = [8, 8]",
                                   '{ image = "whole.tensor" }') + NAMED


def squares(cells, scale=2):
    """A black picture with a square of the colour in each (row, column); its file."""
    pixels = np.zeros((SIDE * scale, SIDE * scale, 3), np.uint8)
    side = CELL * scale
    for (row, column), colour in cells.items():
        pixels[row * side:(row + 1) * side, column * side:(column + 1) * side] = COLOURS[colour]
    return png.encode(pixels)


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
