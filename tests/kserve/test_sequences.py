"""Models that keep state between the requests of a sequence, as tritonclient's users ask them."""
import concurrent.futures
import time

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from conftest import client_of
from graphs import accumulator, add_constant
from live_server import serving

CONFIG = """
name: "totals"
backend: "onnxruntime"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "total" data_type: TYPE_FP32 dims: [ 1 ] }, { name: "id" data_type: TYPE_INT64 dims: [ 1 ] } ]
sequence_batching {
  max_sequence_idle_microseconds: 1500000
  control_input [
    { name: "START" control [ { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } ] },
    { name: "ID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_INT64 } ] }
  ]
  state [ { input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_FP32 dims: [ 1 ] } ]
}
"""
TOML = """
max-sequences = 3
[[state]]
input = "STATE_IN"
output = "STATE_OUT"
[[control]]
kind = "start"
input = "START"
[[control]]
kind = "id"
input = "ID"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    accumulator(folder, "totals")
    (folder / "totals" / "config.pbtxt").write_text(CONFIG)
    accumulator(folder, "few", batched=False)
    (folder / "few" / "model.toml").write_text(TOML)
    accumulator(folder, "slow", work=200)
    (folder / "slow" / "model.toml").write_text("max-queue-size = 4\n" + TOML)
    add_constant(folder, "stateless", 1)
    with serving(folder) as started:
        yield started


@pytest.fixture(scope="module")
def client(server):
    with client_of(server, concurrency=16) as made:
        yield made


def tensor(value, shape):
    x = triton.InferInput("x", list(shape), "FP32")
    x.set_data_from_numpy(np.full(shape, value, dtype=np.float32))
    return x


def ask(client, value, model="totals", shape=(1, 1), **options):
    return float(client.infer(model, [tensor(value, shape)], **options).as_numpy("total").reshape(-1)[0])


def test_the_server_keeps_the_total(client):
    assert ask(client, 1, sequence_id=7, sequence_start=True) == 101
    assert ask(client, 2, sequence_id=7) == 103
    assert ask(client, 3, sequence_id=8, sequence_start=True) == 103
    assert ask(client, 4, sequence_id=7, sequence_end=True) == 107
    assert ask(client, 1, sequence_id=7, sequence_start=True) == 101, "it begins anew"


def test_clients_see_only_what_is_theirs(client):
    about = client.get_model_metadata("totals")
    assert [tensor["name"] for tensor in about["inputs"]] == ["x"]
    assert [tensor["name"] for tensor in about["outputs"]] == ["total", "id"]
    config = client.get_model_config("totals")
    assert config["sequence_batching"]["max_sequence_idle_microseconds"] == 1_500_000
    assert "sequence" in client.get_server_metadata()["extensions"]
    answer = client.infer("totals", [tensor(1, (1, 1))], sequence_id=77, sequence_start=True, sequence_end=True)
    assert answer.as_numpy("id").tolist() == [[77]]
    with pytest.raises(InferenceServerException, match="no input 'STATE_IN'"):
        state = triton.InferInput("STATE_IN", [1, 1], "FP32")
        state.set_data_from_numpy(np.zeros((1, 1), dtype=np.float32))
        client.infer("totals", [tensor(1, (1, 1)), state], sequence_id=78, sequence_start=True)


@pytest.mark.parametrize("options, says", [
    ({}, "sequence_id"),
    ({"sequence_id": 4711}, "sequence_id names no sequence that has begun"),
    ({"sequence_id": "word", "sequence_start": True}, "sequence_id does not fit"),
])
def test_errors_name_the_parameter(client, options, says):
    with pytest.raises(InferenceServerException, match=says) as refused:
        ask(client, 1, **options)
    assert refused.value.status() == "400"


def test_malformed_parameters(server):
    def post(**parameters):
        body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}], "parameters": parameters}
        answer = requests.post(server.url + "/v2/models/totals/infer", json=body, timeout=10)
        return answer.status_code, answer.json().get("error", "")

    for wrong in (-1, 1.5, None, [], "x" * 129):
        status, error = post(sequence_id=wrong, sequence_start=True)
        assert status == 400 and "sequence_id" in error, wrong
    assert post(sequence_id=5, sequence_start="yes")[0] == 400
    assert post(sequence_start=True) == (400, "parameters: 'sequence_start' and 'sequence_end' need a 'sequence_id'")
    assert post(sequence_id=2**63 - 1, sequence_start=True, sequence_end=True)[0] == 200
    two = {"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}],
           "parameters": {"sequence_id": 5, "sequence_start": True}}
    answer = requests.post(server.url + "/v2/models/totals/infer", json=two, timeout=10)
    assert answer.status_code == 400 and "one row" in answer.text


def test_a_model_without_state_has_no_sequences(client):
    with pytest.raises(InferenceServerException, match="the model keeps no state"):
        client.infer("stateless", [tensor(1, (1, 2))], sequence_id=5, sequence_start=True)


def test_many_sequences_at_once_do_not_mix(server):
    def run(i):
        with client_of(server) as own:
            totals = [ask(own, i, sequence_id=1000 + i, sequence_start=step == 0, sequence_end=step == 19)
                      for step in range(20)]
        return totals == [100 + i * (step + 1) for step in range(20)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(1, 33)))


def test_requests_of_one_sequence_keep_their_order(client):
    """Sent before the earlier ones are answered; one connection each, so they arrive in the order in which they are sent."""
    assert ask(client, 0, sequence_id=55, sequence_start=True) == 100
    pending = []
    for i in range(1, 11):
        pending.append(client.async_infer("totals", [tensor(i, (1, 1))], sequence_id=55))
    totals = sorted(float(request.get_result().as_numpy("total")[0, 0]) for request in pending)
    assert totals[-1] == 100 + sum(range(1, 11)), "each was added once"
    assert len(set(totals)) == 10


def test_an_idle_sequence_is_forgotten(client, server):
    assert ask(client, 1, sequence_id=99, sequence_start=True) == 101
    alive = 'millrace_sequences{model_name="totals",model_version="1"}'
    assert server.metrics()[alive] >= 1
    deadline = time.monotonic() + 30
    while server.metrics()[alive] > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.metrics()[alive] == 0
    with pytest.raises(InferenceServerException, match="names no sequence that has begun"):
        ask(client, 1, sequence_id=99)


def test_the_number_of_sequences_is_bounded(client):
    for i in (1, 2, 3):
        assert ask(client, i, model="few", shape=(1,), sequence_id=i, sequence_start=True) == 100 + i
    with pytest.raises(InferenceServerException, match="as many sequences as it may") as refused:
        ask(client, 4, model="few", shape=(1,), sequence_id=4, sequence_start=True)
    assert refused.value.status() == "503"
    assert ask(client, 1, model="few", shape=(1,), sequence_id=3, sequence_end=True) == 104
    assert ask(client, 4, model="few", shape=(1,), sequence_id=4, sequence_start=True) == 104


def test_those_behind_others_of_their_sequence_are_in_the_queue(server):
    """They are counted there, find it full, and may be late; the state has those that were answered, and no others."""
    def add(value, **parameters):
        x = {"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [value]}
        body = {"inputs": [x], "outputs": [{"name": "total"}], "parameters": {"sequence_id": 5} | parameters}
        answer = requests.post(server.url + "/v2/models/slow/infer", json=body, timeout=60)
        if answer.status_code == 200:
            return 200, answer.json()["outputs"][0]["data"][0]
        return answer.status_code, answer.json()["error"]

    def pending():
        return server.metrics()['nv_inference_pending_request_count{model="slow",version="1"}']

    assert add(0, sequence_start=True) == (200, 100)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(add, i) for i in range(1, 13)]
        most = 0
        while most < 2 and not all(request.done() for request in sent):
            most = max(most, pending())
        assert 2 <= most <= 4
        results = [request.result() for request in sent]
        added = [i for i, (status, _) in enumerate(results, 1) if status == 200]
        assert len(added) >= 4
        for status, error in results:
            assert status == 200 or (status == 503 and "queue" in error), error
        assert pending() == 0

        ahead = [pool.submit(add, 0) for _ in range(4)]
        while pending() < 2:
            assert not all(request.done() for request in ahead)
        status, error = add(1000, timeout=1000)
        assert status == 504 and "time was over" in error, (status, error)
        assert all(request.result()[0] == 200 for request in ahead)
    assert add(0, sequence_end=True) == (200, 100 + sum(added))
