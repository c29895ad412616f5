"""The folder demo-read: a pipeline of both models, and its card."""
from . import measuring, networks
from .find_and_cut import find_and_cut
from .scenes import CLASSIFY_SIZE, DETECT_SIZE

DESCRIPTION = 'description = "Finds digits and shapes in a picture, cuts each out and names it."\n\n'
FOUND = """do = "nms"
score_threshold = {score}
iou_threshold = {iou}
inputs = {{ boxes = "detector.boxes", scores = "detector.scores" }}
"""
NAMED = """
[[step]]
name = "namer"
model = "demo-classify"
inputs = { image = "parts" }

[[step]]
name = "sure"
do = "softmax"
inputs = "namer.logits"

[[step]]
name = "best"
do = "top_k"
k = 1
labels = "labels.txt"
inputs = "sure"

[output.boxes]
from = "boxes"

[output.labels]
from = "best.labels"

[output.scores]
from = "best.values"
"""
CARD = """# demo-read
A pipeline: `demo-detect` finds digits and shapes in a picture of any size, each is cut out and named by `demo-classify`. It needs both models beside it.
Licence: Apache-2.0, as Millrace.

| | |
|---|---|
| input | `file` BYTES [1]: a JPEG, PNG or WebP |
| outputs | `boxes` [things, 4] left, top, right, bottom in pixels of the picture; `labels` and `scores` [things, 1] |

Of {crops:,} things that `demo-detect` found in {held:,} held-out drawings, **{accuracy:.1%} were named right by `demo-classify`**. What it does not find is not
counted here: the card of `demo-detect` has its recall. The cards of both models say what they cannot do.
"""


def preparation(size):
    keys = (("size", [size, size]), ("resize", '"letterbox"'), ("pad", [measuring.PAD] * 3), ("channels", '"rgb"'), ("scale", f"{1 / 255:.9f}"),
            ("mean", [networks.MEAN] * 3), ("std", [networks.DEVIATION] * 3))
    return "\n".join(f"{key} = {value}" for key, value in keys)


def pipeline():
    found = FOUND.format(score=measuring.SCORE_THRESHOLD, iou=measuring.IOU_THRESHOLD)
    return DESCRIPTION + find_and_cut("demo-detect", preparation(DETECT_SIZE), found, preparation(CLASSIFY_SIZE),
                                      '{ image = "whole.tensor" }') + NAMED


def card(figures):
    return CARD.format(**figures["read"], held=figures["detect"]["pictures"])
