"""The files beside each model: labels, how the server prepares a picture (model.toml), and the card with the measured figures."""
from . import measuring, networks
from .glyphs import LABELS
from .scenes import CLASSIFY_SIZE, DETECT_SIZE

IMAGE_TOML = """# How a picture becomes this model's input, and its outputs an answer.
[image]
task = "{task}"
labels = "labels.txt"
size = [{size}, {size}]
channels = "rgb"
resize = "letterbox"
pad = [{pad}, {pad}, {pad}]
scale = {scale:.9f}    # 1/255; then the mean is taken off and the rest divided by std
mean = [{mean}, {mean}, {mean}]
std = [{std}, {std}, {std}]
"""
CLASSIFY_TOML = "softmax = true\n"
DETECT_TOML = """format = "boxes_scores"
score-threshold = {score}
iou-threshold = {iou}
"""
LIMITS = """## What it cannot do
- It has seen drawings only, made by one program: photographs of digits or shapes are strange to it, handwriting more so.
- Every picture gets an answer out of its {classes} classes. What is none of them gets one too, sometimes with a high score.
- In training digits lean by up to 25°, shapes by up to 45°; only arrows point anywhere. A 6 upside down is a 9. A 1 has a flag; a bare stroke was not in training, as a digit.
- One digit is one object: it reads no numbers, no letters, no words.
"""
CLASSIFY_CARD = """# demo-classify
Names the one digit or shape in a picture: {labels}.

A small demonstration model for Millrace, trained on this machine by `scripts/demo-models` from pictures that the program draws itself. No data
set and no other model went into it. Licence: Apache-2.0, as Millrace.

| | |
|---|---|
| input | `image` [N, 3, {size}, {size}] float32, RGB, (value / 255 − {mean}) / {std}; `model.toml` says so to the server |
| output | `logits` [N, {classes}] in the order of `labels.txt` |
| parameters, file | {parameters:,}, {bytes:,} bytes |
| training | {pictures:,} drawings, {views:,} looked at; both demo models together took {seconds:.0f} s on {cores} cores |

## Figures
Measured on {held:,} drawings that it was not trained on, in shapes that it was not trained on (other hands drew them).

**{accuracy:.1%} are named right.** Of each class:

{table}

Commonest mistakes: {mistakes}.

Crops that `demo-detect` finds in larger drawings, letterboxed: {read:.1%} of {crops:,} named right.

The drawings are of 15 to 33 pixels radius on plain paper, gradients, stripes and noise, with lines before and behind, blurred, of little contrast, or enlarged
from fewer pixels. Easier pictures do better, stranger ones worse.

{limits}"""
DETECT_CARD = """# demo-detect
Finds digits and shapes and says where they are: {labels}.

A small demonstration model for Millrace, trained on this machine by `scripts/demo-models` from pictures that the program draws itself. No data
set and no other model went into it; it begins from `demo-classify`. Licence: Apache-2.0, as Millrace.

| | |
|---|---|
| input | `image` [N, 3, {size}, {size}] float32, RGB, (value / 255 − {mean}) / {std}; `model.toml` says so to the server |
| outputs | `boxes` [N, {places}, 4] x1 y1 x2 y2 in pixels of the input, `scores` [N, {places}, {classes}] of 0 … 1 |
| after the graph | suppression of boxes of one class that overlap (IoU above {iou}); scores from {score} are worth showing |
| parameters, file | {parameters:,}, {bytes:,} bytes |
| training | {pictures:,} drawings, {views:,} looked at; both demo models together took {seconds:.0f} s on {cores} cores |

## Figures
Measured on {held:,} drawings with {objects:,} objects that it was not trained on, in shapes that it was not trained on (other hands drew them).

**mAP at IoU 0.5: {map50:.3f}.** With a score of {score} and more: precision {precision:.1%}, recall {recall:.1%}. Average precision of each class:

{table}

The drawings hold 1 to 6 objects of 16 to 60 pixels that overlap little, on the same grounds as those of `demo-classify`. Smaller objects and crowds were not in training.

{limits}"""


def class_table(figures):
    """Nine classes side by side."""
    lines = []
    for start in range(0, len(LABELS), 9):
        names = LABELS[start:start + 9]
        lines += ["| " + " | ".join(names) + " |", "|" + "---|" * len(names),
                  "| " + " | ".join(f"{figures[name]:.3f}" for name in names) + " |", ""]
    return "\n".join(lines).rstrip()


def toml(task):
    size = {"classify": CLASSIFY_SIZE, "detect": DETECT_SIZE}[task]
    head = IMAGE_TOML.format(task=task, size=size, scale=1 / 255, pad=measuring.PAD, mean=networks.MEAN, std=networks.DEVIATION)
    return head + (CLASSIFY_TOML if task == "classify" else DETECT_TOML.format(score=measuring.SCORE_THRESHOLD, iou=measuring.IOU_THRESHOLD))


def common(figures, budget, task, network, size_of_file):
    pictures, steps, shard = {"classify": (budget.classify_pictures, budget.classify_steps, budget.classify_shard),
                              "detect": (budget.detect_scenes, budget.detect_steps, budget.detect_shard)}[task]
    return {"labels": ", ".join(LABELS), "classes": len(LABELS), "mean": networks.MEAN, "std": networks.DEVIATION, "bytes": size_of_file,
            "parameters": sum(p.size for p, running in zip(network.parameters, network.running) if not running),
            "pictures": pictures, "views": steps * shard * figures["shards"], "seconds": figures["seconds"], "cores": figures["cores"],
            "held": figures[task]["pictures"], "table": class_table(figures[task]["of_class"]), "limits": LIMITS.format(classes=len(LABELS))}


def classify_card(figures, budget, network, size_of_file):
    mine = figures["classify"]
    mistakes = ", ".join(f"{drawn} taken for {named} ({count})" for drawn, named, count in mine["mistakes"]) or "none"
    return CLASSIFY_CARD.format(**common(figures, budget, "classify", network, size_of_file), size=CLASSIFY_SIZE, accuracy=mine["accuracy"],
                                mistakes=mistakes, read=figures["read"]["accuracy"], crops=figures["read"]["crops"])


def detect_card(figures, budget, network, size_of_file):
    mine = figures["detect"]
    return DETECT_CARD.format(**common(figures, budget, "detect", network, size_of_file), size=DETECT_SIZE, places=networks.GRID ** 2,
                              iou=measuring.IOU_THRESHOLD, score=measuring.SCORE_THRESHOLD, objects=mine["objects"], map50=mine["map50"],
                              precision=mine["precision"], recall=mine["recall"])
