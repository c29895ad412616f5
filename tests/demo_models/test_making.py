"""The whole way in seconds; exported graphs against the trained networks in two runtimes; the models in models/ against their cards."""
import io
import json
import os
import pathlib
import re
import subprocess
import tomllib

import numpy as np
import onnx
import openvino
import pytest
from onnx.reference import ReferenceEvaluator

from demo_models import __main__ as program
from demo_models import cards, exporting, making, measuring, networks, scenes, training
from demo_models.glyphs import LABELS
from live_server import ROOT

MAX_BYTES = 4 << 20
CLOSE = 1e-3


def pictures(size, count=3):
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def on_openvino(path):
    core = openvino.Core()
    compiled = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: [np.array(v) for v in compiled(x).values()]


def as_input(pixels):
    return np.ascontiguousarray(networks.normalise(pixels).transpose(0, 3, 1, 2))


def trained(made, task, pixels):
    if task == "classify":
        return [made.classifier.forward(networks.normalise(pixels))[0]]
    return list(networks.decode(made.detector.forward(networks.normalise(pixels))[0]))


@pytest.mark.parametrize("task,size", [("classify", scenes.CLASSIFY_SIZE), ("detect", scenes.DETECT_SIZE)])
def test_what_is_exported_is_what_was_trained(made, tmp_path, task, size):
    model = exporting.export_classifier(made.classifier) if task == "classify" else exporting.export_detector(made.detector)
    onnx.save(model, str(tmp_path / "model.onnx"))
    assert (tmp_path / "model.onnx").stat().st_size <= MAX_BYTES
    pixels = pictures(size)
    expected = trained(made, task, pixels)
    assert [o.name for o in model.graph.output] == (["logits"] if task == "classify" else ["boxes", "scores"])
    for results in (ReferenceEvaluator(model).run(None, {"image": as_input(pixels)}), on_openvino(tmp_path / "model.onnx")(as_input(pixels))):
        assert len(results) == len(expected)
        for result, wanted in zip(results, expected):
            assert result.shape == wanted.shape
            # Boxes are in pixels of 128: their 1e-3 is a share of that.
            np.testing.assert_allclose(result, wanted, atol=CLOSE * max(1, np.abs(wanted).max()))


def test_the_batch_is_open(made, tmp_path):
    onnx.save(exporting.export_detector(made.detector), str(tmp_path / "model.onnx"))
    run = on_openvino(tmp_path / "model.onnx")
    pixels = as_input(pictures(scenes.DETECT_SIZE, 5))
    for whole, alone in zip(run(pixels), run(pixels[3:4])):
        np.testing.assert_allclose(whole[3], alone[0], atol=1e-2)


def test_threads_do_not_change_what_is_learnt(monkeypatch):
    tiny = making.Budget(1, 128, 2, 8, 32, 1, 2, 32, 32)
    networks_made = []
    for cores in (1, 3):
        monkeypatch.setattr(training, "cores", lambda: cores)
        networks_made.append(making.make(4, tiny, io.StringIO()).detector)
    for one, other in zip(*(network.parameters for network in networks_made)):
        assert (one == other).all()


def test_the_files_beside_a_model(made, tmp_path):
    program.write_all(tmp_path, made, making.QUICK)
    for task in ("classify", "detect"):
        folder = tmp_path / f"demo-{task}"
        assert (folder / "labels.txt").read_text().split("\n")[:-1] == LABELS
        assert (folder / "model.toml").read_text() == cards.toml(task)
        card = (folder / "README.md").read_text()
        assert "Apache-2.0" in card and "What it cannot do" in card and not re.search(r"\{\w*\}", card)
        assert f"{(folder / 'model.onnx').stat().st_size:,} bytes" in card


def test_the_pipeline_prepares_as_the_models_say(made, tmp_path):
    program.write_all(tmp_path, made, making.QUICK)
    steps = {step["name"]: step for step in tomllib.loads((tmp_path / "demo-read" / "pipeline.toml").read_text())["step"]}
    for step, model in (("whole", "demo-detect"), ("parts", "demo-classify")):
        image = tomllib.loads((tmp_path / model / "model.toml").read_text())["image"]
        for key in ("size", "resize", "pad", "channels", "scale", "mean", "std"):
            assert steps[step][key] == image[key], (step, key)
    limits = tomllib.loads((tmp_path / "demo-detect" / "model.toml").read_text())["image"]
    assert (steps["found"]["score_threshold"], steps["found"]["iou_threshold"]) == (limits["score-threshold"], limits["iou-threshold"])
    assert {steps["detector"]["model"], steps["namer"]["model"]} == {"demo-detect", "demo-classify"}


def test_the_script_makes_them_once(tmp_path):
    """Needs the environment that its first run makes, or that run would need the network."""
    if not (ROOT / ".venv" / "demo" / "installed.sha256").exists():
        pytest.skip("scripts/demo-models was not run here yet")

    def run():
        return subprocess.run([str(ROOT / "scripts" / "demo-models"), str(tmp_path), "--quick"], check=True, capture_output=True, text=True, timeout=300)
    assert "are ready" in run().stdout
    made = (tmp_path / "demo-detect" / "model.onnx").stat().st_mtime_ns
    again = run()
    assert again.stdout == again.stderr == "" and (tmp_path / "demo-detect" / "model.onnx").stat().st_mtime_ns == made
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".demo-models.") and p.is_dir()]


# ---- the models that people serve, where they were trained

def served(task):
    models = pathlib.Path(os.environ.get("MILLRACE_MODELS", ROOT / "models")).resolve()
    if subprocess.run([str(ROOT / "scripts" / "demo-models"), str(models), "--check"], timeout=30).returncode:
        pytest.skip("needs the demo models, made by these scripts: run scripts/demo-models")
    folder = models / f"demo-{task}"
    return folder, json.loads((folder / "figures.json").read_text())


def test_the_classifier_is_as_good_as_its_card_says():
    folder, figures = served("classify")
    bank = making.make_bank(figures["seed"] + 1, making.Budget.variants // 2)
    held = making.draw(scenes.classify_pictures, figures["seed"] + 1, bank, figures["pictures"], "", io.StringIO())
    run = on_openvino(folder / "model.onnx")
    logits = np.concatenate([run(as_input(held.pixels[i:i + 64]))[0] for i in range(0, len(held.pixels), 64)])
    accuracy = measuring.classify_figures(logits, held.labels)["accuracy"]
    assert accuracy == pytest.approx(figures["accuracy"], abs=0.003) and accuracy >= 0.95
    assert f"**{figures['accuracy']:.1%} are named right.**" in (folder / "README.md").read_text()


def test_the_detector_is_as_good_as_its_card_says(monkeypatch):
    folder, figures = served("detect")
    bank = making.make_bank(figures["seed"] + 1, making.Budget.variants // 2)
    held = making.draw(scenes.detect_scenes, figures["seed"] + 1, bank, figures["pictures"], "", io.StringIO())
    run = on_openvino(folder / "model.onnx")
    parts = [run(as_input(held.pixels[i:i + 32])) for i in range(0, len(held.pixels), 32)]
    boxes, scores = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    monkeypatch.setattr(measuring, "decode", lambda raw: raw)
    again = measuring.detect_figures((boxes, scores), held)
    assert again["map50"] == pytest.approx(figures["map50"], abs=0.005) and again["map50"] >= 0.8
    assert f"**mAP at IoU 0.5: {figures['map50']:.3f}.**" in (folder / "README.md").read_text()


