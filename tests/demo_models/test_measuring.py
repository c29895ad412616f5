"""The figures of the cards, on cases whose answers are known."""
import numpy as np
import pytest

from demo_models import measuring, networks
from demo_models.glyphs import LABELS
from demo_models.scenes import MAX_OBJECTS, Scenes


def test_average_precision_by_hand():
    assert measuring.average_precision(np.array([True, True]), 2) == 1
    assert measuring.average_precision(np.array([True, True]), 4) == 0.5
    # Right, wrong, right: precision 1 for the first object, 2/3 for the second.
    assert measuring.average_precision(np.array([True, False, True]), 2) == pytest.approx((1 + 2 / 3) / 2)
    # Wrong, right, right: what comes later lifts what came before.
    assert measuring.average_precision(np.array([False, True, True]), 2) == pytest.approx(2 / 3)
    assert measuring.average_precision(np.array([], dtype=bool), 3) == 0


def test_suppression_keeps_the_best_of_what_overlaps():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 4]], dtype=float)
    assert measuring.suppress(boxes, np.array([0.5, 0.9, 0.3, 0.8])) == [1, 3, 2]


def one_scene(*objects):
    boxes, labels = np.zeros((1, MAX_OBJECTS, 4), dtype=np.float32), np.full((1, MAX_OBJECTS), -1)
    for i, (label, box) in enumerate(objects):
        boxes[0, i], labels[0, i] = box, label
    return Scenes(np.zeros((1, 128, 128, 3), dtype=np.uint8), boxes, labels)


def perfect(scenes):
    """What a detector would give that knows the answers: the places that answer, their distances, and nothing else."""
    label, wanted = networks.assign(scenes.boxes, scenes.labels)
    raw = np.full((len(label), networks.GRID, networks.GRID, 4 + len(LABELS)), -8, dtype=np.float32)
    raw[..., :4] = np.log(wanted)
    n, y, x = np.nonzero(label >= 0)
    raw[n, y, x, 4 + label[n, y, x]] = 8
    return raw


def test_a_detector_that_knows_finds_all_and_nothing_else():
    scenes = one_scene((0, [10, 20, 60, 44]), (0, [70, 70, 90, 120]), (7, [3, 90, 19, 106]), (17, [100, 4, 126, 30]))
    figures = measuring.detect_figures(perfect(scenes), scenes)
    assert figures["objects"] == 4 and figures["precision"] == figures["recall"] == 1
    assert {label for label, ap in figures["of_class"].items() if ap == 1} == {"0", "7", "moon"}


def test_a_wrong_class_a_missed_object_and_a_bad_box_cost():
    truth = one_scene((0, [10, 20, 60, 44]), (1, [70, 70, 90, 120]))
    assert measuring.detect_figures(perfect(one_scene((0, [10, 20, 60, 44]))), truth)["recall"] == 0.5
    renamed = measuring.detect_figures(perfect(one_scene((0, [10, 20, 60, 44]), (2, [70, 70, 90, 120]))), truth)
    assert renamed["recall"] == renamed["precision"] == 0.5
    moved = measuring.detect_figures(perfect(one_scene((0, [10, 20, 60, 44]), (1, [80, 90, 100, 126]))), truth)
    assert moved["recall"] == 0.5


def test_classify_figures():
    labels = np.array([0, 0, 1, 2])
    logits = np.eye(len(LABELS))[[0, 3, 1, 2]]
    figures = measuring.classify_figures(logits, labels)
    assert figures["accuracy"] == 0.75 and figures["of_class"]["0"] == 0.5 and figures["mistakes"] == [["0", "3", 1]]


def test_letterbox_keeps_proportions():
    picture = np.full((10, 20, 3), 200, dtype=np.uint8)
    out = measuring.letterbox(picture, size=64, pad=114)
    assert (out[16:48] == 200).all() and (out[:16] == 114).all() and (out[48:] == 114).all()
