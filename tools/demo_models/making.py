"""From a seed to two trained networks with their figures."""
import dataclasses
import itertools
import time

import numpy as np

from . import measuring, networks
from .glyphs import make_bank
from .layers import Optimiser
from .scenes import Pictures, Scenes, classify_pictures, detect_scenes
from .training import SHARDS, Progress, cores, in_parallel, train

CHUNK = 32   # pictures drawn together


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much is drawn and how often it is looked at."""
    variants: int = 32            # of each class in the bank
    classify_pictures: int = 14336
    classify_steps: int = 1664
    classify_shard: int = 16      # pictures in each of SHARDS
    detect_scenes: int = 3072
    detect_steps: int = 640
    detect_shard: int = 4
    held_out_pictures: int = 2048
    held_out_scenes: int = 512


QUICK = Budget(2, 128, 6, 8, 64, 4, 2, 64, 32)   # for tests: seconds, and good for nothing else


@dataclasses.dataclass
class Made:
    classifier: networks.Network
    detector: networks.Network
    figures: dict     # "classify", "detect", "read", "seed", "seconds", "cores", "shards"


def draw(function, seed, bank, count, name, out, easy=0.0):
    """`count` pictures (or more, whole chunks) on all cores; chunk i of a seed is always the same. The first `easy` of them rise from
    the easiest to the full mixture."""
    jobs = range(-(-count // CHUNK))
    hardness = [min(1.0, i / (easy * len(jobs))) if easy else 1.0 for i in jobs]
    parts = in_parallel(lambda i: function([seed, i], bank, CHUNK, hardness[i]), jobs, Progress(name, len(jobs), out))
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in dataclasses.fields(kind)))


def changed(rng, pixels):
    """Colours exchanged, perhaps inverted: the same picture looks new."""
    pixels = pixels[..., rng.permutation(3)]
    return 255 - pixels if rng.random() < 0.5 else pixels


def batches(rng, pixels, targets, shard):
    """Endless: lists of SHARDS tuples (pixels, *targets), each picture once a round. The first round goes from easy to hard, as they
    were drawn."""
    for round_number in itertools.count():
        order = rng.permutation(len(pixels)) if round_number else np.arange(len(pixels))
        for start in range(0, len(order) - SHARDS * shard + 1, SHARDS * shard):
            parts = np.split(order[start:start + SHARDS * shard], SHARDS)
            yield [(changed(rng, pixels[part]) if round_number else pixels[part], *(t[part] for t in targets)) for part in parts]


def classify_step(network, shard):
    pixels, labels = shard
    logits, saved = network.forward(networks.normalise(pixels), train=True)
    loss, gradient, right = networks.classify_loss(logits, labels)
    return network.backward(gradient, saved), len(labels), np.array([loss, right, len(labels)])


def detect_step(network, shard):
    pixels, boxes, labels = shard
    raw, saved = network.forward(networks.normalise(pixels), train=True)
    loss, gradient, overlap, count = networks.detect_loss(raw, boxes, labels)
    return network.backward(gradient, saved), count, np.array([loss, overlap, count])


def train_classifier(seed, pictures, budget, out):
    network = networks.classifier(seed)
    rng = np.random.default_rng([seed, 6])
    train(network, Optimiser(network), batches(rng, pictures.pixels, [pictures.labels], budget.classify_shard), budget.classify_steps, classify_step,
          lambda f: f"loss {f[0] / f[2]:.2f}, {100 * f[1] / f[2]:.0f} % right", 0.2, "train classify", out)
    return network


def train_detector(seed, scenes, classifier, budget, out):
    network = networks.detector(seed, classifier)
    rng = np.random.default_rng([seed, 7])
    train(network, Optimiser(network), batches(rng, scenes.pixels, [scenes.boxes, scenes.labels], budget.detect_shard), budget.detect_steps, detect_step,
          lambda f: f"loss {f[0] / max(f[2], 1):.2f}, boxes fit {100 * f[1] / max(f[2], 1):.0f} %", 0.1, "train detect", out)
    return network


def held_out(seed, budget, out):
    """Drawn by other hands (a bank of their own) than what was trained on."""
    bank = make_bank(seed + 1, max(budget.variants // 2, 1))
    return (draw(classify_pictures, seed + 1, bank, budget.held_out_pictures, "draw held-out 1", out),
            draw(detect_scenes, seed + 1, bank, budget.held_out_scenes, "draw held-out 2", out))


def figures_of(classifier, detector, pictures: Pictures, scenes: Scenes):
    raw = measuring.run(detector, scenes.pixels)
    return {"classify": measuring.classify_figures(measuring.run(classifier, pictures.pixels), pictures.labels),
            "detect": measuring.detect_figures(raw, scenes), "read": measuring.read_figures(raw, scenes, classifier)}


def make(seed, budget, out):
    began = time.monotonic()
    bank = make_bank(seed, budget.variants)
    pictures = draw(classify_pictures, seed, bank, budget.classify_pictures, "draw classify", out, easy=0.4)
    classifier = train_classifier(seed, pictures, budget, out)
    del pictures
    scenes = draw(detect_scenes, seed, bank, budget.detect_scenes, "draw detect", out, easy=0.2)
    detector = train_detector(seed, scenes, classifier, budget, out)
    del scenes
    figures = figures_of(classifier, detector, *held_out(seed, budget, out))
    return Made(classifier, detector, {**figures, "seed": seed, "seconds": time.monotonic() - began, "cores": cores(), "shards": SHARDS})
