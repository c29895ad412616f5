"""TensorFlow Serving's own SavedModels over REST, in the shapes of its documentation: two versions, labels, signatures."""
import json

import pytest

from conftest import Rest, recorded_models
from live_server import serving
from saved_models import make_models


@pytest.fixture(scope="module")
def rest(tmp_path_factory):
    with serving(make_models(tmp_path_factory.mktemp("saved") / "models", recorded_models())) as started:
        yield Rest(started)


@pytest.mark.parametrize("path, add", [
    ("half_plus_two", 3), ("half_plus_two/versions/123", 2), ("half_plus_two/versions/124", 3),
    ("half_plus_two/labels/stable", 2), ("half_plus_two/labels/canary", 3)])
def test_predict(rest, path, add):
    for body, answer in [
            ({"instances": [1.0, 2.0, 5.0]}, {"predictions": [0.5 + add, 1.0 + add, 2.5 + add]}),
            ({"instances": [{"x": [1.0]}, {"x": [5.0]}]}, {"predictions": [[0.5 + add], [2.5 + add]]}),
            ({"signature_name": "serving_default", "inputs": {"x": [[1.0]]}}, {"outputs": [[0.5 + add]]})]:
        response = rest.post(path + ":predict", body)
        assert (response.status_code, response.json()) == (200, answer), response.text


def test_status_of_two_versions(rest):
    versions = rest.get("half_plus_two").json()["model_version_status"]
    assert sorted((v["version"], v["state"]) for v in versions) == [("123", "AVAILABLE"), ("124", "AVAILABLE")]
    (one,) = rest.get("half_plus_two/labels/stable").json()["model_version_status"]
    assert one["version"] == "123"
    assert rest.get("half_plus_two/versions/125").status_code == 404
    assert rest.post("half_plus_two/labels/absent:predict", {"instances": [1.0]}).status_code == 404


@pytest.mark.parametrize("path, signature, add", [
    ("half_plus_two/versions/123", "regress_x_to_y", 2), ("half_plus_two/versions/124", "tensorflow/serving/regress", 3),
    ("half_plus_two/labels/canary", "", 3)])
def test_regress(rest, path, signature, add):
    answer = rest.post(path + ":regress", {"signature_name": signature, "examples": [{"x": 2.0}, {"x": [4.0]}]})
    assert (answer.status_code, answer.json()) == (200, {"results": [1.0 + add, 2.0 + add]}), answer.text


def test_classify(rest):
    answer = rest.post("half_plus_two/labels/stable:classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}, {"x": 4.0}]})
    assert (answer.status_code, answer.json()) == (200, {"results": [[["", 3.0]], [["", 4.0]]]}), answer.text


def test_signatures_have_inputs_of_their_own(rest):
    path = "half_plus_two/versions/123"
    answer = rest.post(path + ":predict", {"signature_name": "regress_x2_to_y3", "instances": [[2.0], [4.0]]})
    assert answer.json() == {"predictions": [[4.0], [5.0]]}, answer.text
    other = rest.post(path + ":regress", {"signature_name": "regress_x_to_y2", "examples": [{"x": 2.0}]})
    assert other.json() == {"results": [4.0]}
    refused = rest.post(path + ":predict", {"signature_name": "absent", "instances": [1.0]})
    assert refused.status_code == 400
    assert "'absent' not found: the model has 'serving_default', 'classify_x_to_y', 'regress_x2_to_y3'" in refused.json()["error"]
    before = rest.server.metrics()['millrace_inferences_total{model_name="half_plus_two",model_version="123",outcome="ok"}']
    assert before >= 2, "signatures count as their model"


def test_metadata_is_what_tensorflow_serving_recorded(rest):
    """Less the signatures that take serialised examples: their inputs are the features here."""
    recorded = json.loads((recorded_models() / "half_plus_two_model_metadata.json").read_text())
    recorded = recorded["metadata"]["signature_def"]["signature_def"]
    ours = rest.get("half_plus_two/versions/123/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert ours.keys() == recorded.keys()
    for name, signature in ours.items():
        assert signature["method_name"] == recorded[name]["method_name"]
        for side in ("inputs", "outputs"):
            if recorded[name][side].get("inputs", {}).get("dtype") == "DT_STRING":
                assert list(signature[side]) == ["x"]
                continue
            shapes = {key: (t["dtype"], t["tensor_shape"]) for key, t in signature[side].items()}
            assert shapes == {key: (t["dtype"], t["tensor_shape"]) for key, t in recorded[name][side].items()}


def test_functions_of_tensorflow_2(rest):
    assert rest.post("functions:predict", {"instances": [5.0]}).json() == {"predictions": [4.5]}
    assert rest.post("functions:predict", {"inputs": {"x": [1.0]}}).json() == {"outputs": [2.5]}
    three = rest.post("functions:predict", {"signature_name": "regress_x2_to_y3", "inputs": [2.0]})
    assert three.json() == {"outputs": [4.0]}, three.text
    within = rest.post("functions:regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]})
    assert within.status_code == 400 and "'regress_x_to_y' not found" in within.json()["error"]
    assert "signature 'regress_x_to_y' is not served" in rest.server.log_text()
