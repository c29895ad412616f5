"""TensorFlow Serving's own SavedModels over REST, in the shapes of its documentation: two versions, labels, signatures."""
import base64
import json

import pytest

from conftest import Rest, recorded_models
from live_server import serving
from saved_models import make_models, recorded_examples, x_example


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
    recorded = json.loads((recorded_models() / "half_plus_two_model_metadata.json").read_text())
    recorded = recorded["metadata"]["signature_def"]["signature_def"]
    ours = rest.get("half_plus_two/versions/123/metadata").json()["metadata"]["signature_def"]["signature_def"]
    assert ours.keys() == recorded.keys()
    for name, signature in ours.items():
        assert signature["method_name"] == recorded[name]["method_name"]
        for side in ("inputs", "outputs"):
            shapes = {key: (t["dtype"], t["tensor_shape"]) for key, t in signature[side].items()}
            assert shapes == {key: (t["dtype"], t["tensor_shape"]) for key, t in recorded[name][side].items()}


@pytest.mark.parametrize("path", ["half_plus_two/versions/123", "functions"])
def test_serialised_examples(rest, path):
    one, two = ({"b64": base64.b64encode(x_example(x)).decode()} for x in (2.0, 4.0))
    for body, answer in [({"instances": [one, two]}, {"predictions": [[3.0], [4.0]]}),
                         ({"instances": [{"inputs": one}, {"inputs": two}]}, {"predictions": [[3.0], [4.0]]}),
                         ({"inputs": {"inputs": [one]}}, {"outputs": [[3.0]]}),
                         ({"inputs": [two, one, two]}, {"outputs": [[4.0], [3.0], [4.0]]}),
                         ({"instances": [{"x": [2.0]}]}, {"predictions": [[3.0]]})]:
        response = rest.post(path + ":predict", {"signature_name": "regress_x_to_y", **body})
        assert (response.status_code, response.json()) == (200, answer), response.text
    for wrong, says in [({"b64": ""}, "'x' is missing"), ("no example", "example 0: the bytes are no tf.Example"),
                        ({"b64": base64.b64encode(x_example(1, 2)).decode()}, "shape [1,2]")]:
        refused = rest.post(path + ":predict", {"signature_name": "regress_x_to_y", "instances": [wrong]})
        assert refused.status_code == 400 and says in refused.json()["error"], refused.text


def test_functions_of_tensorflow_2(rest):
    assert rest.post("functions:predict", {"instances": [5.0]}).json() == {"predictions": [4.5]}
    assert rest.post("functions:predict", {"inputs": {"x": [1.0]}}).json() == {"outputs": [2.5]}
    three = rest.post("functions:predict", {"signature_name": "regress_x2_to_y3", "inputs": [2.0]})
    assert three.json() == {"outputs": [4.0]}, three.text
    within = rest.post("functions:regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}, {"x": [4.0]}]})
    assert within.json() == {"results": [3.0, 4.0]}, within.text
    classes = rest.post("functions:classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]})
    assert classes.json() == {"results": [[["", 3.0]]]}, classes.text


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parsed")
    golden = recorded_examples(folder)
    with serving(folder) as started:
        yield Rest(started), golden


def test_examples_parsed_as_tensorflow_does(parsed):
    rest, golden = parsed
    for signature, answer in golden["answers"].items():
        body = {"signature_name": signature, "instances": [{"b64": one} for one in golden["examples"]]}
        assert rest.post("parsed:predict", body).json() == {"predictions": answer}
    for name, examples in golden["refused"].items():
        for one in examples:
            refused = rest.post("parsed:predict", {"instances": [{"b64": one}]})
            assert refused.status_code == 400 and (name == "examples" or f"'{name}'" in refused.json()["error"]), refused.text
    plain = rest.post("parsed:predict", {"signature_name": "plain", "instances": [[1.0, 2.0, 3.0]]})
    assert plain.json() == {"predictions": [[14.0]]}


def test_json_examples_have_the_files_defaults(parsed):
    rest, golden = parsed
    answer = golden["answers"]["serving_default"]
    got = rest.post("parsed:classify", {"examples": [{"a": [1.0, 2.0, 3.0], "b": 2, "c": [1.0, 10.0], "extra": "x"}, {"a": [0, 0, 1]}]})
    assert got.json() == {"results": [[["", score] for score in row] for row in answer[:2]]}, got.text
    sums = rest.post("parsed:regress", {"signature_name": "regress", "context": {"c": [1.0, 10.0]}, "examples": [{"v": [1, 2, 3]}, {}]})
    assert sums.json() == {"results": [17.0, 11.0 - 3.0]}, sums.text
