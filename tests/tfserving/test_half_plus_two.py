"""TensorFlow Serving's own model: y = x / 2 + 2, as its documentation shows it. Needs MILLRACE_DATA."""
import json

import pytest

from conftest import test_models


@pytest.mark.parametrize("body, answer", [
    ({"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
    ({"instances": [[1.0], [2.0], [5.0]]}, {"predictions": [[2.5], [3.0], [4.5]]}),
    ({"instances": [{"x": 1.0}, {"x": 2.0}]}, {"predictions": [2.5, 3.0]}),
    ({"inputs": {"x": [[1.0], [5.0]]}}, {"outputs": [[2.5], [4.5]]}),
    ({"inputs": [1.0]}, {"outputs": [2.5]}),
    ({"signature_name": "serving_default", "instances": [0]}, {"predictions": [2.0]}),
])
@pytest.mark.parametrize("path", ["half_plus_two", "half_plus_two/versions/123"])
def test_predict(half_plus_two, body, answer, path):
    response = half_plus_two.post(path + ":predict", body)
    assert (response.status_code, response.json()) == (200, answer), response.text


def test_numbers_are_written_as_floats(half_plus_two):
    assert half_plus_two.post("half_plus_two:predict", {"instances": [2.0]}).text == '{"predictions":[3.0]}'
    text = half_plus_two.post("half_plus_two:predict", '{"instances": [NaN, Infinity, -Infinity]}').text
    assert text == '{"predictions":[NaN,Infinity,-Infinity]}'


def test_regress(half_plus_two):
    response = half_plus_two.post("half_plus_two:regress", {"examples": [{"x": 1.0}, {"x": [2.0]}]})
    assert response.json() == {"results": [2.5, 3.0]}


def test_status(half_plus_two):
    one = {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("half_plus_two", "half_plus_two/versions/123"):
        assert half_plus_two.get(path).json() == {"model_version_status": [one]}
    assert half_plus_two.get("half_plus_two/versions/5").status_code == 404


def test_metadata_is_what_tensorflow_serving_recorded(half_plus_two):
    recorded = json.loads((test_models() / "half_plus_two_model_metadata.json").read_text())
    recorded = recorded["metadata"]["signature_def"]["signature_def"]["serving_default"]
    ours = half_plus_two.get("half_plus_two/metadata").json()
    assert ours["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    ours = ours["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert ours["method_name"] == recorded["method_name"] and ours["defaults"] == recorded["defaults"]
    assert ours["inputs"]["x"]["tensor_shape"] == recorded["inputs"]["x"]["tensor_shape"]
    assert ours["inputs"]["x"]["dtype"] == recorded["inputs"]["x"]["dtype"]
    (output,) = ours["outputs"].values()  # named by the signature there, by the graph here
    (expected,) = recorded["outputs"].values()
    assert output["dtype"] == expected["dtype"]


def test_the_lite_model_answers_too(half_plus_two):
    answer = half_plus_two.post("lite:predict", {"inputs": [[1.0]]})
    assert answer.json() == {"outputs": [[2.5]]} or answer.json() == {"outputs": [2.5]}, answer.text
