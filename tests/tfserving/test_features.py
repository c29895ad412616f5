"""Sparse and ragged features of tf.Examples, and strings out of graphs, against TensorFlow's own answers."""
import base64

import pytest

from conftest import Rest
from live_server import serving
from saved_models import recorded_features, x_example


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    golden = recorded_features(folder)
    with serving(folder) as started:
        yield Rest(started), golden


def unpacked(value):
    """A golden's value as bytes, numbers and lists."""
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [unpacked(one) for one in value] if isinstance(value, list) else value


def shown(name, value):
    """As REST has it: base64 by the output's name, else text in which bytes that are none are replaced."""
    if isinstance(value, list):
        return [shown(name, one) for one in value]
    if not isinstance(value, bytes):
        return value
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(value).decode()}
    return "".join("\ufffd" if ord(c) > 0x7f else c for c in value.decode("latin-1"))


def expected(answer):
    return {name: shown(name, unpacked(value)) for name, value in answer.items()}


def ask(rest, body, **more):
    response = rest.post("features:predict", {**body, **more})
    assert response.status_code == 200, response.text
    return response.json()


def of(golden):
    return [{"b64": one} for one in golden["examples"]]


@pytest.mark.parametrize("signature", ["serving_default", "dense", "embedded", "ragged", "texts", "parts"])
def test_as_tensorflow_answers(features, signature):
    rest, golden = features
    want = expected(golden["answers"][signature])
    got = ask(rest, {"signature_name": signature, "inputs": of(golden)})["outputs"]
    assert got == want
    if signature == "parts":  # their rows are values
        return
    rows = ask(rest, {"signature_name": signature, "instances": of(golden)})["predictions"]
    assert rows == [{name: values[i] for name, values in want.items()} for i in range(len(golden["examples"]))]


def test_one_example_and_none_with_values(features):
    rest, golden = features
    dense = golden["answers"]["dense"]
    one = ask(rest, {"signature_name": "dense", "inputs": of(golden)[:1]})["outputs"]
    assert one == {"s": [dense["s"][0]], "n": [dense["n"][0][:2]]}
    empty = {"b64": golden["examples"][1]}
    assert ask(rest, {"signature_name": "dense", "inputs": [empty, empty]})["outputs"] == {"s": [[], []], "n": [[], []]}
    assert ask(rest, {"signature_name": "ragged", "inputs": [empty]})["outputs"] == {"sum": [0.0], "length": [0], "even": [[]], "cut": [[0, 0]]}


def test_json_examples(features):
    rest, golden = features
    scores, classes = (golden["answers"]["serving_default"][name] for name in ("scores", "classes"))
    got = rest.post("features:classify", {"examples": [{"a": [1.0, 2.0], "s": [1.0]}, {}]})
    labels = shown("", unpacked(classes[0]))
    assert got.json() == {"results": [[[label, score] for label, score in zip(labels, row)] for row in scores[:2]]}, got.text


def test_the_parts_may_be_sent(features):
    rest, _ = features
    parts = {"s/indices": [[0, 0], [1, 1]], "s/values": [5.0, 6.0], "s/shape": [2, 3], "n/indices": [[1, 0]], "n/values": [9], "n/shape": [2, 1]}
    assert ask(rest, {"signature_name": "dense", "inputs": parts})["outputs"] == {"s": [[5.0, -1.0, -1.0], [-1.0, 6.0, -1.0]], "n": [[0], [9]]}
    for name, value, says in [("s/indices", [[0, 0], [1, 3]], "out of the shape"), ("s/indices", [[0, 0], [1, -1]], "out of the shape"),
                              ("s/indices", [[0, 0]], "one row for each value"), ("s/shape", [2**40, 2**40], "too large"),
                              ("s/shape", [-2, 3], "negative"), ("n/indices", [[2**62, 0]], "out of the shape")]:
        refused = rest.post("features:predict", {"signature_name": "dense", "inputs": {**parts, name: value}})
        assert refused.status_code == 400 and name in refused.json()["error"] and says in refused.json()["error"], refused.text
    ragged = {"r/values": [1.0, 2.0], "r/row_splits": [0, 2], "q/values": [1], "q/row_splits": [0, 1]}
    assert ask(rest, {"signature_name": "ragged", "inputs": ragged})["outputs"]["sum"] == [3.0]
    for splits in ([0, 3], [1, 2], [0, -1], [0, 2, 1, 2], []):
        refused = rest.post("features:predict", {"signature_name": "ragged", "inputs": {**ragged, "r/row_splits": splits}})
        assert refused.status_code == 400 and "r/row_splits" in refused.json()["error"], refused.text


def test_ids_that_no_table_has(features):
    """They are the graph's to judge; the server lives."""
    rest, golden = features
    for number in (8, -1, 2**31, 2**40, -2**62):
        body = {"examples": [{"n": [number]}]}
        rest.post("features:predict", {"signature_name": "embedded", "inputs": {
            "n/indices": [[0, 0]], "n/values": [number], "n/shape": [1, 1]}})
        assert rest.post("features:classify", body).status_code == 200
    assert ask(rest, {"signature_name": "embedded", "inputs": of(golden)})["outputs"] == golden["answers"]["embedded"]


def test_refused(features):
    rest, golden = features
    for name, signature in (("s", "dense"), ("r", "ragged")):
        for one in golden["refused"][name]:
            refused = rest.post("features:predict", {"signature_name": signature, "instances": [{"b64": one}]})
            assert refused.status_code == 400 and f"'{name}'" in refused.json()["error"], refused.text
    unknown = {"b64": base64.b64encode(x_example(1.0)).decode()}
    assert rest.post("features:predict", {"instances": [unknown]}).status_code == 200, "features that the file does not name are left out"


def test_strings_without_examples(features):
    rest, golden = features
    labels, greet = golden["plain"]["labels"], golden["plain"]["greet"]
    assert ask(rest, {"signature_name": "labels", "inputs": {"a": labels["a"]}})["outputs"] == expected(labels["answer"])
    assert ask(rest, {"signature_name": "greet", "inputs": greet["names"]})["outputs"] == shown("names", unpacked(greet["answer"]["names"]))
    assert ask(rest, {"signature_name": "greet", "instances": ["a", ""]})["predictions"] == ["a", "nobody"]


def test_what_cannot_be_computed_is_not_there(features):
    """tf.sparse.reduce_sum and tf.strings.join: the runtime knows neither. The log says why."""
    rest, _ = features
    for signature in ("reduced", "joined"):
        refused = rest.post("features:predict", {"signature_name": signature, "instances": ["a"]})
        assert refused.status_code == 400 and f"'{signature}' not found" in refused.json()["error"], refused.text
