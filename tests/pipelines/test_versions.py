"""A step names a version of its model: by number, by label, or the default."""
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from conftest import client_of, input_of
from graphs import add_constant
from live_server import serving
from pipeline_models import pipeline

PINNED = """
[input.x]
dtype = "FP32"
shape = [-1, 2]
[[step]]
name = "add"
model = "many"
{version}
inputs = "input.x"
[output.y]
from = "add.y"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    for version in (1, 2, 3):
        add_constant(folder, "many", version, version)
    (folder / "many" / "model.toml").write_text('version-policy = "specific:1,2,3"\n[version-labels]\nstable = 2\n')
    for name, version in (("number", "version = 1"), ("text", 'version = "1"'), ("label", 'version = "stable"'), ("newest", ""),
                          ("absent", "version = 7"), ("no_label", 'version = "canary"')):
        pipeline(folder, name, PINNED.format(version=version))
    with serving(folder) as started:
        yield started


@pytest.mark.parametrize("name, added", [("number", 1), ("text", 1), ("label", 2), ("newest", 3)])
def test_the_version_that_is_named_answers(server, name, added):
    with client_of(server) as client:
        answer = client.infer(name, [input_of("x", np.zeros((2, 2), np.float32))])
        assert (answer.as_numpy("y") == added).all()


@pytest.mark.parametrize("name, says", [("absent", "no such version"), ("no_label", "no version of that name")])
def test_a_version_that_is_not_served_fails_the_load(server, name, says):
    with client_of(server, admin=True) as admin:
        (reason,) = [m["reason"] for m in admin.get_model_repository_index() if m["name"] == name]
    assert f"pipeline.toml: step 'add': model 'many': The model has {says}" in reason.replace("pipeline.toml:5", "pipeline.toml")
    with client_of(server) as client, pytest.raises(InferenceServerException):
        client.infer(name, [input_of("x", np.zeros((2, 2), np.float32))])
