"""How good a network is on pictures that it has not seen: figures for the model cards and for the tests."""
import numpy as np

from .glyphs import LABELS
from .networks import decode, normalise
from .scenes import CLASSIFY_SIZE

SCORE_THRESHOLD = 0.5   # of shown boxes: what model.toml tells the server
IOU_THRESHOLD = 0.5     # two boxes of one class that have more in common are one object
PAD = 114              # grey beside a picture of another shape
LOWEST_SCORE = 0.02     # average precision counts boxes down to this
CHUNK = 32


def run(network, pixels):
    return np.concatenate([network.forward(normalise(pixels[i:i + CHUNK]))[0] for i in range(0, len(pixels), CHUNK)])


# ---- classify

def classify_figures(logits, labels):
    """Accuracy of all and of each class, and the commonest mistakes as (drawn, named, how many)."""
    named = logits.argmax(axis=1)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    np.add.at(confusion, (labels, named), 1)
    wrong = confusion - np.diag(np.diag(confusion))
    worst = [tuple(map(int, np.unravel_index(i, wrong.shape))) for i in np.argsort(-wrong, axis=None, kind="stable")[:6]]
    each = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1)
    return {"pictures": len(labels), "accuracy": float((named == labels).mean()), "of_class": dict(zip(LABELS, each.tolist())),
            "mistakes": [[LABELS[a], LABELS[b], int(wrong[a, b])] for a, b in worst if wrong[a, b]]}


# ---- detect

def iou(box, others):
    """[4] with [n, 4] → [n]"""
    sides = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0)
    common = sides[:, 0] * sides[:, 1]
    return common / (np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - common + 1e-9)


def suppress(boxes, scores, threshold=IOU_THRESHOLD):
    """Indices of the boxes that stay, best first: greedy, within one class."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        kept.append(order[0])
        order = order[1:][iou(boxes[order[0]], boxes[order[1:]]) <= threshold]
    return kept


def detections(boxes, scores, lowest):
    """Of one picture: list of (label, score, box)."""
    found = []
    for label in np.flatnonzero((scores >= lowest).any(axis=0)):
        rows = np.flatnonzero(scores[:, label] >= lowest)
        found += [(int(label), float(scores[rows[i], label]), boxes[rows[i]]) for i in suppress(boxes[rows], scores[rows, label])]
    return found


def match(found, boxes, labels, wanted_iou=0.5):
    """Best score first, each takes the unmatched object of its class that it fits best: list of (label, score, object or -1)."""
    left, result = set(np.flatnonzero(labels >= 0)), []
    for label, score, box in sorted(found, key=lambda f: -f[1]):
        fits = [(iou(box, boxes[i:i + 1])[0], i) for i in left if labels[i] == label]
        best, i = max(fits, default=(0, -1))
        if best >= wanted_iou:
            left.remove(i)
        result.append((label, score, int(i) if best >= wanted_iou else -1))
    return result


def average_precision(hits, count):
    """hits: of found boxes, best score first, whether each is right; count: objects. The area below precision over recall, with
    precision made to fall (Everingham et al., The PASCAL VOC Challenge, since 2010)."""
    if not count or not len(hits):
        return 0.0
    right = np.cumsum(hits)
    precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float((precision * hits).sum() / count)


def detect_figures(raw, scenes):
    """mAP at IoU 0.5, of each class too; precision and recall at SCORE_THRESHOLD."""
    boxes, scores = decode(raw)
    rows = []
    for i in range(len(boxes)):
        found = detections(boxes[i], scores[i], LOWEST_SCORE)
        rows += match(found, scenes.boxes[i], scenes.labels[i])
    rows.sort(key=lambda r: -r[1])
    counts = [(scenes.labels == label).sum() for label in range(len(LABELS))]
    each = [average_precision(np.array([r[2] >= 0 for r in rows if r[0] == label]), counts[label]) for label in range(len(LABELS))]
    shown = [r for r in rows if r[1] >= SCORE_THRESHOLD]
    right = sum(r[2] >= 0 for r in shown)
    return {"pictures": len(boxes), "objects": int(sum(counts)), "map50": float(np.mean(each)), "of_class": dict(zip(LABELS, each)),
            "precision": right / max(len(shown), 1), "recall": float(right / max(sum(counts), 1))}


# ---- one after the other

def letterbox(picture, size=CLASSIFY_SIZE, pad=PAD):
    """[h, w, 3] → [size, size, 3] uint8: bilinear, proportions kept, the rest is grey."""
    height, width = picture.shape[:2]
    h, w = max(1, round(size * height / max(height, width))), max(1, round(size * width / max(height, width)))

    def taps(old, new):
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.minimum(at.astype(int), max(old - 2, 0))
        matrix = np.zeros((new, old), dtype=np.float32)
        matrix[np.arange(new), low] += 1 - (at - low)
        matrix[np.arange(new), np.minimum(low + 1, old - 1)] += at - low
        return matrix
    scaled = np.einsum("ij,jkc->ikc", taps(height, h), picture.astype(np.float32))
    scaled = np.einsum("ij,kjc->kic", taps(width, w), scaled)
    out = np.full((size, size, 3), pad, dtype=np.uint8)
    top, left = (size - h) // 2, (size - w) // 2
    out[top:top + h, left:left + w] = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
    return out


def read_figures(raw, scenes, classifier):
    """Objects found (by place alone), cut out and named by the classifier: which share of the crops is named right."""
    boxes, scores = decode(raw)
    crops, labels = [], []
    for i in range(len(boxes)):
        for _, score, box in detections(boxes[i], scores[i], SCORE_THRESHOLD):
            overlap = iou(box, scenes.boxes[i])
            overlap[scenes.labels[i] < 0] = 0
            if overlap.max() >= 0.5:
                x1, y1 = np.floor(box[:2]).astype(int)
                x2, y2 = np.ceil(box[2:]).astype(int)
                crops.append(letterbox(scenes.pixels[i, y1:y2, x1:x2]))
                labels.append(scenes.labels[i, overlap.argmax()])
    if not crops:
        return {"crops": 0, "accuracy": 0.0}
    named = run(classifier, np.stack(crops)).argmax(axis=1)
    return {"crops": len(crops), "accuracy": float((named == np.array(labels)).mean())}
