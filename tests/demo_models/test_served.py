"""The real server on the demo models: what it answers about a picture is what the graphs answer, prepared and read by this suite."""
import numpy as np
import onnx
import pytest
import requests
import tritonclient.http as triton
from onnx.reference import ReferenceEvaluator

from demo_models import __main__ as program
from demo_models import making, measuring, networks, png, scenes
from demo_models.glyphs import LABELS, make_bank
from live_server import serving

LOW = 0.011   # what these models say of themselves is never more than a little above


@pytest.fixture(scope="module")
def models(made, tmp_path_factory):
    """Models of the smallest budget: they know nothing, but what they say is exact."""
    folder = tmp_path_factory.mktemp("demo")
    program.write_all(folder, made, making.QUICK)
    for task in ("classify", "detect"):
        toml = folder / f"demo-{task}" / "model.toml"
        toml.write_text('precision = "exact"\n' + lower(toml.read_text(), "score-threshold"))
    pipeline = folder / "demo-read" / "pipeline.toml"
    pipeline.write_text(lower(pipeline.read_text(), "score_threshold"))
    return folder


def lower(toml, key):
    return toml.replace(f"{key} = {measuring.SCORE_THRESHOLD}", f"{key} = {LOW}")


@pytest.fixture(scope="module")
def server(models):
    with serving(models) as started:
        yield started


def ask(server, task, pixels, **fields):
    answer = requests.post(f"{server.url}/v1/images/{task}", data={"model": f"demo-{task}", **fields}, files=[("image", ("a.png", png.encode(pixels)))],
                           timeout=60)
    assert answer.status_code == 200, answer.text
    (one,) = answer.json()["data"]
    return one


def run(models, task, pixels):
    graph = onnx.load(str(models / f"demo-{task}" / "model.onnx"))
    return ReferenceEvaluator(graph).run(None, {"image": networks.normalise(pixels[None]).transpose(0, 3, 1, 2)})


def test_classify(server, models):
    for pixels in scenes.classify_pictures([9, 0], make_bank(9, 1), 4).pixels:
        (logits,) = run(models, "classify", pixels)
        expected = np.exp(logits[0] - logits[0].max())
        expected /= expected.sum()
        answered = {c["label"]: c["score"] for c in ask(server, "classify", pixels, top_k=len(LABELS))["classes"]}
        assert answered == pytest.approx(dict(zip(LABELS, expected.tolist())), abs=1e-3)


def test_detect(server, models):
    for pixels in scenes.detect_scenes([9, 0], make_bank(9, 1), 3).pixels:
        boxes, scores = (part[0] for part in run(models, "detect", pixels))
        expected = sorted(measuring.detections(boxes, scores, LOW), key=lambda f: -f[1])[:10]
        answered = ask(server, "detect", pixels, max_detections=10)["detections"]
        assert len(answered) == len(expected) > 0
        for mine, (label, score, box) in zip(answered, expected):
            assert mine["score"] == pytest.approx(score, abs=1e-3)
        assert {d["label"] for d in answered} & {LABELS[label] for label, _, _ in expected}


def test_read(server):
    """Every box of demo-detect, in a picture of another size and shape, with a name of demo-classify."""
    pixels = np.ascontiguousarray(scenes.detect_scenes([9, 0], make_bank(9, 1), 1).pixels[0].repeat(2, axis=1)[20:])
    file = triton.InferInput("file", [1], "BYTES")
    file.set_data_from_numpy(np.array([png.encode(pixels)], dtype=object))
    with triton.InferenceServerClient(f"{server.host}:{server.port}", network_timeout=60) as client:
        answer = client.infer("demo-read", [file])
    boxes, labels = answer.as_numpy("boxes"), [label.decode() for label in answer.as_numpy("labels").ravel()]
    found = [d["box"] for d in ask(server, "detect", pixels, max_detections=100)["detections"]]
    expected = sorted([b["x"], b["y"], b["x"] + b["width"], b["y"] + b["height"]] for b in found)
    assert len(expected) > 0 and set(labels) <= set(LABELS) and len(labels) == len(expected) == len(answer.as_numpy("scores"))
    np.testing.assert_allclose(sorted(boxes.tolist()), expected, atol=0.05)
