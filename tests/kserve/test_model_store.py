"""Versions, config.pbtxt as Triton's users have it, and who decides what is loaded."""
import shutil
import time

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from conftest import client_of
from graphs import add_constant
from live_server import serving
from test_clients import infer

ROW = np.zeros((1, 2), dtype=np.float32)


def value(client, model, version=""):
    """What the model adds: says which version answered."""
    return float(infer(client, model, ROW, model_version=version).as_numpy("y")[0, 0])


def index(client):
    return {(m["name"], m["version"]): (m["state"], m["reason"]) for m in client.get_model_repository_index()}


def eventually(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


def served(client, model, expected):
    try:
        return value(client, model) == expected
    except InferenceServerException:
        return False


CONFIG = """# as a Triton model repository has it
name: "triton"
platform: "onnxruntime_onnx"
max_batch_size: 4
input [
  { name: "x" data_type: TYPE_FP32 format: FORMAT_NONE dims: [ 2 ] }
]
output [
  { name: "y" data_type: TYPE_FP32 dims: [ 2 ] label_filename: "labels.txt" }
]
version_policy: { specific: { versions: [ 1, 3 ] } }
dynamic_batching {
  preferred_batch_size: [ 2, 4 ]
  max_queue_delay_microseconds: 100
  default_queue_policy { default_timeout_microseconds: 60000000 }
  priority_levels: 2
  default_priority_level: 1
}
instance_group [ { count: 1 kind: KIND_CPU } ]
model_warmup [ { name: "once" batch_size: 2 inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 2 ] zero_data: true } } } ]
optimization { cuda { graphs: true } }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    for version in (1, 2, 3):
        add_constant(folder, "many", version, version)
        add_constant(folder, "triton", version, version)
        add_constant(folder, "latest", version, version)
    (folder / "many" / "model.toml").write_text('version-policy = "all"\n[version-labels]\nstable = 2\n')
    (folder / "triton" / "config.pbtxt").write_text(CONFIG)
    (folder / "triton" / "labels.txt").write_text("cat\ndog\n")
    for name, config in (("no_such_device", "instance_group [ { kind: KIND_GPU } ]"),
                         ("wrong_name", 'name: "other"'),
                         ("wrong_input", 'input { name: "z" data_type: TYPE_FP32 dims: [ 2 ] }'),
                         ("wrong_dims", 'max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }'),
                         ("wrong_type", 'max_batch_size: 4\ninput { name: "x" data_type: TYPE_INT8 dims: [ 2 ] }'),
                         ("wrong_text", "max_batch_size: {"), ("wrong_backend", 'backend: "tensorrt"')):
        add_constant(folder, name, 1)
        (folder / name / "config.pbtxt").write_text(config)
    add_constant(folder, "no_batch", 1)
    (folder / "no_batch" / "config.pbtxt").write_text("max_batch_size: 0")
    add_constant(folder, "fixed_batch", 1, fixed=True)
    (folder / "fixed_batch" / "config.pbtxt").write_text("max_batch_size: 4")
    reshaped(folder)
    with serving(folder) as started:
        yield started


def reshaped(folder):
    add_constant(folder, "reshaped", 1)
    (folder / "reshaped" / "config.pbtxt").write_text("""
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [ 1, 2 ] reshape { shape: [ 2 ] } }
output { name: "y" data_type: TYPE_FP32 dims: [ 2, 1 ] reshape { shape: [ 2 ] } }
""")


@pytest.fixture(scope="module")
def client(server):
    with client_of(server, concurrency=4) as made:
        yield made


def test_all_versions_serve_at_once(client, server):
    assert [value(client, "many", version) for version in ("", "1", "2", "3", "stable")] == [3, 1, 2, 3, 2]
    assert client.get_model_metadata("many")["versions"] == ["1", "2", "3"]
    assert client.is_model_ready("many", "1") and not client.is_model_ready("many", "4")
    with pytest.raises(InferenceServerException, match="versions 1, 2, 3 serve"):
        value(client, "many", "4")
    with pytest.raises(InferenceServerException, match="no version of that name"):
        value(client, "many", "canary")
    for version in ("1", "2", "3"):
        stats = client.get_inference_statistics("many", version)["model_stats"][0]
        assert stats["version"] == version and stats["inference_count"] >= 1
        name = f'millrace_inferences_total{{model_name="many",model_version="{version}",outcome="ok"}}'
        assert server.metrics()[name] == stats["inference_stats"]["success"]["count"]
    assert client.get_model_config("many")["version_policy"] == {"all": {}}
    assert value(client, "latest") == 3
    with pytest.raises(InferenceServerException, match="version 3 serves"):
        value(client, "latest", "2")


def test_one_model_is_one_entry_for_people(server):
    state = requests.get(server.url + "/ui/state", timeout=10).json()
    assert state["control"] == "none"
    many = [model for model in state["models"] if model["name"] == "many"]
    assert [v["version"] for v in many[0]["versions"]] == ["1", "2", "3"] and len(many) == 1
    rows = [m for m in requests.get(server.admin_url + "/models", timeout=10).json()["models"] if m["name"] == "many"]
    assert [(m["version"], m["default"]) for m in rows] == [("1", False), ("2", False), ("3", True)]
    assert rows[1]["labels"] == ["stable"]


def test_config_pbtxt_is_honoured(client, server):
    assert client.get_model_metadata("triton")["versions"] == ["1", "3"]
    config = client.get_model_config("triton")
    assert config["max_batch_size"] == 4
    assert config["version_policy"] == {"specific": {"versions": [1, 3]}}
    batching = config["dynamic_batching"]
    assert batching["preferred_batch_size"] == [2, 4] and batching["max_queue_delay_microseconds"] == 100
    assert batching["priority_levels"] == 2
    x = triton.InferInput("x", [1, 2], "FP32")
    x.set_data_from_numpy(np.array([[1, 5]], dtype=np.float32))
    answer = client.infer("triton", [x], outputs=[triton.InferRequestedOutput("y", class_count=2)])
    assert answer.as_numpy("y").tolist() == [[b"8.000000:1:dog", b"4.000000:0:cat"]]
    log = server.log_text()
    assert log.count("config.pbtxt:21: optimization means nothing here") == 2, "once a version"


def test_what_does_not_fit_is_said_with_its_line(client, server):
    with client_of(server, admin=True) as admin:
        reasons = {name: reason for (name, _), (state, reason) in index(admin).items() if state == "UNAVAILABLE" and reason}
    for name, says in (("no_such_device", "device 'GPU' is not there; this machine has CPU"),
                       ("wrong_name", "config.pbtxt:1: name is 'other'"),
                       ("wrong_input", "config.pbtxt:1: the model has no input 'z'; it has 'x'"),
                       ("wrong_dims", "config.pbtxt:2: input 'x' has shape [-1,3] with the batch"),
                       ("wrong_type", "config.pbtxt:2: input 'x' is i8, but the model's is f32"),
                       ("wrong_text", "config.pbtxt:1: '}' is missing at the end"),
                       ("wrong_backend", "config.pbtxt:1: backend 'tensorrt' cannot be run here"),
                       ("fixed_batch", "axis 0 is said to be a batch")):
        assert says in reasons[name], reasons[name]
    assert client.get_model_config("no_batch")["max_batch_size"] == 0
    assert value(client, "no_batch") == 1


def test_a_reshape_shows_clients_other_shapes(client):
    about = client.get_model_metadata("reshaped")
    assert about["inputs"][0]["shape"] == [-1, 1, 2] and about["outputs"][0]["shape"] == [-1, 2, 1]
    answer = infer(client, "reshaped", np.zeros((3, 1, 2), dtype=np.float32)).as_numpy("y")
    assert answer.shape == (3, 2, 1) and (answer == 1).all()
    with pytest.raises(InferenceServerException, match="shape"):
        infer(client, "reshaped", ROW)


def test_poll_follows_the_folder(tmp_path):
    add_constant(tmp_path, "a", 1)
    with serving(tmp_path, "--model-control-mode", "poll", "--repository-poll-secs", "1") as server, client_of(server) as client:
        assert value(client, "a") == 1
        add_constant(tmp_path, "b", 7)
        add_constant(tmp_path, "a", 2, version=2)
        assert eventually(lambda: served(client, "b", 7) and served(client, "a", 2))
        (tmp_path / "a" / "3").mkdir()
        (tmp_path / "a" / "3" / "model.onnx").write_bytes(b"no graph")
        with client_of(server, admin=True) as admin:
            assert eventually(lambda: index(admin).get(("a", "3"), ("",))[0] == "UNAVAILABLE" and index(admin)[("a", "3")][1])
            assert value(client, "a") == 2, "a broken update keeps the old one serving"
            add_constant(tmp_path, "a", 3, version=3)
            assert eventually(lambda: served(client, "a", 3))
            add_constant(tmp_path, "a", 30, version=3)
            assert eventually(lambda: served(client, "a", 30)), "a file that changed is loaded again"
            with pytest.raises(InferenceServerException, match="--model-control-mode poll"):
                admin.unload_model("a")
        shutil.rmtree(tmp_path / "b")
        assert eventually(lambda: not client.is_model_ready("b"))
        assert served(client, "a", 30)


def test_explicit_loads_what_clients_ask_for(tmp_path):
    for name in ("a", "b", "c"):
        add_constant(tmp_path, name, ord(name) - ord("a") + 1)
    with serving(tmp_path, "--model-control-mode", "explicit", "--load-model", "a", "--load-model", "b") as server, \
            client_of(server) as client:
        assert value(client, "a") == 1 and value(client, "b") == 2
        assert index(client)[("c", "1")][0] == "UNAVAILABLE"
        assert not client.is_model_ready("c")
        client.load_model("c")
        assert value(client, "c") == 3
        client.unload_model("c")
        assert not client.is_model_ready("c")
        add_constant(tmp_path, "new", 9)
        client.load_model("new")
        assert value(client, "new") == 9
        with pytest.raises(InferenceServerException, match="No such model"):
            client.load_model("absent")
        with pytest.raises(InferenceServerException, match="no 'config' and no files"):
            client.load_model("a", config='{"max_batch_size": 4}')
        assert requests.get(server.url + "/ui/state", timeout=10).json()["control"] == "explicit"
        where = server.url + "/v2/repository/index"
        own = requests.post(where, headers={"Origin": server.url}, timeout=10)
        assert own.status_code == 200, "its own web page"
        for origin in ("http://evil.example", f"http://{server.host}:1", "null"):
            assert requests.post(where, headers={"Origin": origin}, timeout=10).status_code == 400


def test_a_start_with_a_model_that_is_not_there_says_so(tmp_path):
    add_constant(tmp_path, "a", 1)
    with pytest.raises(pytest.fail.Exception, match="--load-model absent: there is no such model"):
        with serving(tmp_path, "--model-control-mode", "explicit", "--load-model", "absent"):
            pass


def test_a_loose_file_hides_nothing(tmp_path):
    add_constant(tmp_path, "a", 1)
    shutil.copy(tmp_path / "a" / "1" / "model.onnx", tmp_path / "model.onnx")
    with serving(tmp_path) as server, client_of(server) as client:
        assert value(client, "a") == 1 and value(client, "model") == 1


def test_priorities_have_their_default(client):
    for priority in (0, 1, 2, 9):
        assert infer(client, "triton", ROW, priority=priority).as_numpy("y")[0, 0] == 3
