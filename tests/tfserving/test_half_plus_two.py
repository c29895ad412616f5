"""TensorFlow Serving's example model, y = x / 2 + 2, as its documentation shows it."""
import json

import pytest

from conftest import recorded_models


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
    recorded = json.loads((recorded_models() / "half_plus_two_model_metadata.json").read_text())
    recorded = recorded["metadata"]["signature_def"]["signature_def"]["serving_default"]
    ours = half_plus_two.get("half_plus_two/metadata").json()
    assert ours["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    ours = ours["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert ours["method_name"] == recorded["method_name"] and ours["defaults"] == recorded["defaults"]
    for side in ("inputs", "outputs"):
        assert ours[side].keys() == recorded[side].keys()
        for name, tensor in ours[side].items():
            assert (tensor["dtype"], tensor["tensor_shape"]) == (recorded[side][name]["dtype"], recorded[side][name]["tensor_shape"])


@pytest.mark.parametrize("x, y", [(1.0, 2.5), (2.0, 3.0), (5.0, 4.5)])
def test_tensorflow_servings_own_file(lite, x, y):
    """Its batch is fixed at 1."""
    assert lite.post("lite:predict", {"inputs": [x]}).json() == {"outputs": [y]}
    assert lite.post("lite:predict", {"instances": [x]}).json() == {"predictions": [y]}
    assert lite.get("lite").json()["model_version_status"][0]["version"] == "123"
