"""Detect, cut out, classify: one picture in, one request, the answer as JSON."""
import json

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from conftest import client_of
from live_server import serving
from picture_models import CELL, make_picture_models, squares

SCALE = 2  # the picture is larger than what the detector sees


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    with serving(make_picture_models(tmp_path_factory.mktemp("models")), "--trace-every", "0") as started:
        yield started


def ask(server, file, **options):
    with client_of(server) as client:
        tensor = triton.InferInput("file", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([file], dtype=object))
        return json.loads(client.infer("name_squares", [tensor], **options).as_numpy("json")[0])


@pytest.mark.parametrize("cells", [{}, {(1, 2): "green"}, {(0, 0): "red", (3, 3): "blue", (2, 1): "green", (0, 3): "blue"}],
                         ids=["none", "one", "many"])
def test_squares_are_found_and_named(pictures, cells):
    answer = ask(pictures, squares(cells, SCALE))
    side = CELL * SCALE
    found = {(round(entry["box"][1] / side), round(entry["box"][0] / side)): entry["colour"] for entry in answer}
    assert len(answer) == len(cells) and found == cells
    for entry in answer:
        left, top, right, bottom = entry["box"]
        assert (right - left, bottom - top) == pytest.approx((side, side), abs=0.5)
        assert entry["score"] == pytest.approx(1, abs=0.05)


def test_every_stage_is_in_the_trace(pictures):
    ask(pictures, squares({(1, 1): "red", (2, 2): "blue"}, SCALE), headers={"x-trace": "1"})
    events = requests.get(pictures.admin_url + "/traces?limit=1", timeout=10).json()["traceEvents"]
    begins = {e["name"]: e["ts"] for e in events if e["ph"] == "X"}
    order = ["picture", "whole", "detector", "found", "boxes", "parts", "classify", "colour", "answer"]
    times = [begins[name] for name in order]
    assert times == sorted(times)
    rows = next(e["args"]["rows"] for e in events if e["name"] == "classify")
    assert rows == 2


def test_image_routes_say_where_a_pipeline_is_asked(pictures):
    files = {"image": ("x.png", squares({(1, 1): "red"}, SCALE))}
    answer = requests.post(pictures.url + "/v1/images/detect", data={"model": "name_squares"}, files=files, timeout=30)
    assert answer.status_code == 400 and "send the pictures to /v2/models/name_squares/infer" in answer.json()["error"]["message"]


def test_a_picture_that_is_none(pictures):
    with pytest.raises(InferenceServerException, match="step 'picture': "):
        ask(pictures, b"this is no picture")
    assert ask(pictures, squares({(0, 1): "red"}))[0]["colour"] == "red"
