"""Trains both demo models and writes OUT/demo-classify, OUT/demo-detect and OUT/demo-read, a pipeline of the two."""
import argparse
import json
import pathlib
import sys

import onnx

from . import cards, exporting, reading
from .glyphs import LABELS
from .making import QUICK, Budget, make


def write(folder, card, toml_name, toml, figures):
    folder.mkdir(parents=True)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    (folder / toml_name).write_text(toml)
    (folder / "README.md").write_text(card)
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")


def write_all(out, made, budget):
    """All folders; `out` must not hold them yet."""
    for task, network, export, card in (("classify", made.classifier, exporting.export_classifier, cards.classify_card),
                                        ("detect", made.detector, exporting.export_detector, cards.detect_card)):
        model = export(network)
        figures = {**made.figures[task], "seed": made.figures["seed"]}
        folder = out / f"demo-{task}"
        write(folder, card(made.figures, budget, network, len(model.SerializeToString())), "model.toml", cards.toml(task), figures)
        onnx.save(model, str(folder / "model.onnx"))
    write(out / "demo-read", reading.card(made.figures), "pipeline.toml", reading.pipeline(), made.figures["read"])


def main():
    parser = argparse.ArgumentParser(prog="python -m demo_models", description=__doc__)
    parser.add_argument("out", type=pathlib.Path, metavar="OUT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes, and models that know nothing: for tests")
    wanted = parser.parse_args()
    budget = QUICK if wanted.quick else Budget()
    made = make(wanted.seed, budget, sys.stderr)
    write_all(wanted.out, made, budget)
    print(f"demo-classify: {made.figures['classify']['accuracy']:.1%} right; demo-detect: mAP@0.5 {made.figures['detect']['map50']:.3f}; "
          f"{made.figures['seconds']:.0f} s")


if __name__ == "__main__":
    main()
