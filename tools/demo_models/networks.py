"""The two networks, what each is trained to lower, and how a detector's numbers become boxes."""
import numpy as np

from .glyphs import LABELS
from .layers import Block, Linear, Network, Pool
from .scenes import DETECT_SIZE

STRIDE = 8                      # pixels from one place of the detector's grid to the next
GRID = DETECT_SIZE // STRIDE
MEAN, DEVIATION = 0.5, 0.25     # of pixels as 0 … 1: what model.toml tells the server
SMOOTHING = 0.05                # of the classifier's wanted probabilities
FOCUS = 2.0                     # of the detector's loss: focal loss, Lin et al., arXiv:1708.02002
RARE = 0.01                     # the score a detector begins with
MAX_LOG_SIDE = 3.0              # a box reaches at most STRIDE · e³ pixels from its place
TRUNK = 5                       # layers that the two networks have alike


def normalise(pixels):
    """uint8 → what the first layer reads."""
    return (pixels.astype(np.float32) * np.float32(1 / 255) - np.float32(MEAN)) * np.float32(1 / DEVIATION)


def trunk(rng):
    return [Block(3, 16, rng, stride=2, want_input=False), Block(16, 32, rng, stride=2), Block(32, 64, rng, stride=2),
            Block(64, 64, rng, residual=True), Block(64, 64, rng, residual=True)]


def classifier(seed):
    rng = np.random.default_rng([seed, 4])
    return Network([*trunk(rng), Block(64, 128, rng, stride=2), Block(128, 128, rng, residual=True), Pool(), Linear(128, len(LABELS), rng)])


def detector(seed, trained):
    """Its trunk begins as the classifier's."""
    rng = np.random.default_rng([seed, 5])
    layers = [*trunk(rng), Block(64, 64, rng, dilation=2, residual=True), Block(64, 64, rng, dilation=2, residual=True),
              Linear(64, 4 + len(LABELS), rng, bias=[0.3] * 4 + [np.log(RARE / (1 - RARE))] * len(LABELS))]
    for mine, other in zip(layers[:TRUNK], trained.layers[:TRUNK] if trained else []):
        for p, q in zip(mine.parameters, other.parameters):
            p[...] = q
    return Network(layers)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- classify

def classify_loss(logits, labels):
    """Cross-entropy with smoothed targets, a sum over pictures: loss, gradient, how many are right."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    wanted = np.full_like(logits, SMOOTHING / logits.shape[1])
    wanted[np.arange(len(labels)), labels] += 1 - SMOOTHING
    return -(wanted * log_p).sum(), np.exp(log_p) - wanted, (logits.argmax(axis=1) == labels).sum()


# ---- detect

def places():
    """The middle of each place of the grid in pixels, [GRID, GRID, 2] (x, y)."""
    steps = (np.arange(GRID, dtype=np.float32) + 0.5) * STRIDE
    return np.stack(np.meshgrid(steps, steps), axis=-1)


def assign(boxes, labels):
    """Which places answer for which object: label [n, GRID, GRID] (-1: none) and the four distances to its sides in strides.

    A place answers if it is inside the object's box and at most a stride and a bit from its middle (of several objects: the
    nearest middle). The place nearest to a middle always does."""
    at = places()
    n = len(boxes)
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    sides = np.concatenate([at[None, :, :, None] - boxes[:, None, None, :, :2], boxes[:, None, None, :, 2:] - at[None, :, :, None]], axis=-1)
    away = np.abs(at[None, :, :, None] - middles[:, None, None]).max(axis=-1)            # [n, GRID, GRID, objects]
    free = (labels >= 0)[:, None, None]
    answers = free & (((away <= 1.1 * STRIDE) & (sides.min(axis=-1) > 1)) | (away <= STRIDE / 2))
    away = np.where(answers, away, np.inf)
    nearest = away.argmin(axis=-1)
    rows = np.arange(n)[:, None, None]
    found = np.isfinite(away.min(axis=-1))
    label = np.where(found, labels[rows, nearest], -1)
    wanted = np.take_along_axis(sides, nearest[..., None, None], axis=3)[:, :, :, 0]
    return label, np.maximum(wanted / STRIDE, 0.05)


def box_loss(raw, wanted):
    """-log IoU of boxes seen from one place (Yu et al., arXiv:1608.01471): raw [m, 4] are logs of left, top, right, bottom."""
    raw = np.clip(raw, -MAX_LOG_SIDE, MAX_LOG_SIDE)
    mine = np.exp(raw)
    small = np.minimum(mine, wanted)
    width, height = small[:, 0] + small[:, 2], small[:, 1] + small[:, 3]
    common = width * height
    own = (mine[:, 0] + mine[:, 2]) * (mine[:, 1] + mine[:, 3])
    union = own + (wanted[:, 0] + wanted[:, 2]) * (wanted[:, 1] + wanted[:, 3]) - common
    of_common = np.stack([height, width, height, width], axis=1) * (mine < wanted)
    across = np.stack([mine[:, 1] + mine[:, 3], mine[:, 0] + mine[:, 2]] * 2, axis=1)
    gradient = ((across - of_common) / union[:, None] - of_common / common[:, None]) * mine
    gradient[np.abs(raw) >= MAX_LOG_SIDE] = 0
    iou = common / union
    return -np.log(iou).sum(), gradient, iou


def detect_loss(raw, boxes, labels):
    """Focal loss of scores and -log IoU of boxes, a sum over the places that answer: loss, gradient, summed IoU, places."""
    label, wanted = assign(boxes, labels)
    positive = label >= 0
    target = np.zeros(raw.shape[:3] + (len(LABELS),), dtype=raw.dtype)
    target[positive, label[positive]] = 1
    logits = raw[..., 4:]
    p = np.clip(sigmoid(logits), 1e-6, 1 - 1e-6)
    right = np.where(target > 0, p, 1 - p)
    weight = (1 - right) ** FOCUS
    log_right = np.log(right)
    # d/dz of -(1-q)^f log q, with q the probability of what is right and dq/dz = ± q (1-q)
    slope = weight * (FOCUS * right * log_right - (1 - right))
    gradient = np.zeros_like(raw)
    gradient[..., 4:] = np.where(target > 0, slope, -slope)
    loss = -(weight * log_right).sum()
    of_boxes, box_gradient, iou = box_loss(raw[..., :4][positive], wanted[positive].astype(raw.dtype))
    gradient[..., :4][positive] = box_gradient
    return loss + of_boxes, gradient, iou.sum(), positive.sum()


def decode(raw):
    """boxes [n, GRID², 4] in pixels and scores [n, GRID², classes] of 0 … 1, as the exported graph gives them."""
    at = np.tile(places(), 2)
    reach = np.exp(np.clip(raw[..., :4], -MAX_LOG_SIDE, MAX_LOG_SIDE)) * STRIDE * np.array([-1, -1, 1, 1], dtype=raw.dtype)
    boxes = np.clip(at + reach, 0, DETECT_SIZE)
    return boxes.reshape(len(raw), -1, 4), sigmoid(raw[..., 4:]).reshape(len(raw), -1, len(LABELS))
