"""Pipelines over real graphs, asked with tritonclient; numpy says what is right."""
import concurrent.futures
import json
import socket
import time

import numpy as np
import pytest
import requests
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from conftest import client_of, input_of
from pipeline_models import HOSTILE, WIDTH, classifier_weights


def infer(client, model, array, output="y", **options):
    return client.infer(model, [input_of("x", array)], **options).as_numpy(output)


def ask_rows(client, rows, scores):
    return client.infer("find_and_name", [input_of("rows", rows), input_of("scores", scores)])


def outcomes(server, model):
    values = server.metrics()
    return {outcome: values[f'millrace_inferences_total{{model_name="{model}",model_version="1",outcome="{outcome}"}}']
            for outcome in ("ok", "refused", "cancelled", "deadline_exceeded", "error")}


def test_a_pipeline_is_a_model(client, server):
    assert client.is_model_ready("find_and_name")
    metadata = client.get_model_metadata("find_and_name")
    assert [(t["name"], t["datatype"], t["shape"]) for t in metadata["inputs"]] == [
        ("rows", "FP32", [-1, 4]), ("scores", "FP32", [-1])]
    assert [(t["name"], t["datatype"], t["shape"]) for t in metadata["outputs"]] == [
        ("json", "BYTES", [1]), ("probabilities", "FP32", [-1, 3])]
    assert client.get_model_config("find_and_name")["max_batch_size"] == 0
    ask_rows(client, np.ones((1, 4), np.float32), np.ones(1, np.float32))
    stats = client.get_inference_statistics("find_and_name")["model_stats"][0]
    assert stats["inference_stats"]["success"]["count"] >= 1
    listed = {m["name"]: m for m in requests.get(server.admin_url + "/models", timeout=10).json()["models"]}
    assert listed["find_and_name"]["backend"] == "pipeline" and listed["find_and_name"]["state"] == "ready"
    assert 'millrace_pipeline_step_seconds_count{model_name="find_and_name",step="classify"}' in server.metrics()


@pytest.mark.parametrize("count, kept", [(3, 0), (3, 1), (40, 25), (0, 0)])
def test_fan_out_over_none_one_and_many_rows(client, count, kept):
    rows = np.random.default_rng(count + kept).standard_normal((count, 4)).astype(np.float32)
    scores = np.full(count, 0.25, np.float32)
    scores[:kept] = 0.75
    np.random.default_rng(3).shuffle(scores)
    result = ask_rows(client, rows, scores)
    index = np.flatnonzero(scores > 0.5)
    logits = rows[index] @ classifier_weights()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = result.as_numpy("probabilities")
    assert probabilities.shape == (kept, 3)
    np.testing.assert_allclose(probabilities, expected, rtol=2e-2, atol=1e-3)
    answer = json.loads(result.as_numpy("json")[0])
    assert [entry["row"] for entry in answer] == index.tolist()
    assert [entry["label"] for entry in answer] == [["cat", "dog", "fish"][i] for i in probabilities.argmax(axis=1)] \
        if kept else answer == []
    assert all(entry["score"] == 0.75 for entry in answer)


def test_a_model_of_one_row_is_asked_for_each(client):
    rows = np.arange(28, dtype=np.float32).reshape(7, 4)
    np.testing.assert_allclose(infer(client, "each", rows), rows * 2)
    assert infer(client, "each", rows[:0]).shape == (0, 4)


def test_a_branch(client):
    small, large = np.array([[1, 2, 3, 4]], np.float32), np.array([[1, 2, 3, 60]], np.float32)
    np.testing.assert_allclose(infer(client, "branch", small), small * 2)
    np.testing.assert_allclose(infer(client, "branch", large), large * 2 + 10)
    assert infer(client, "branch", large, "large").tolist() == [[False, False, False, True]]


def test_nested(client):
    x = np.random.default_rng(1).standard_normal((2, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(infer(client, "nested", x), infer(client, "a_two_stages", x), rtol=1e-3, atol=1e-4)


def test_two_pipelines_share_a_model(client, server):
    before = client.get_inference_statistics("heavy_one")["model_stats"][0]
    x = np.random.default_rng(1).standard_normal((40, 1, WIDTH)).astype(np.float32)
    def ask(i):
        with client_of(server) as own:
            side = ("left", "right")[i % 2]
            return infer(own, side, x[i], side)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(40)))
    after = client.get_inference_statistics("heavy_one")["model_stats"][0]
    asked = after["inference_count"] - before["inference_count"]
    ran = after["execution_count"] - before["execution_count"]
    assert asked == 40 and ran < asked, f"{asked} requests in {ran} batches: none were merged"
    together = infer(client, "left", x.reshape(40, WIDTH), "left")
    np.testing.assert_allclose(np.concatenate(answers), together, rtol=2e-2, atol=2e-2)


def spans_of(events, name):
    return [(e["args"]["trace_id"], e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X" and e["name"] == name]


def test_stages_of_different_requests_overlap(server):
    x = np.ones((16, WIDTH), np.float32)
    def ask(_):
        with client_of(server) as own:
            for _ in range(8):
                infer(own, "a_two_stages", x, headers={"x-trace": "1"})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    events = requests.get(server.admin_url + "/traces", timeout=10).json()["traceEvents"]
    front, back = spans_of(events, "front"), spans_of(events, "back")
    assert len(front) >= 32 and len(back) >= 32
    overlapping = [(f, b) for f in front for b in back if f[0] != b[0] and max(f[1], b[1]) < min(f[2], b[2])]
    assert overlapping, "no request was in its first stage while another was in its second"
    own = {e["name"]: e for e in events if e["ph"] == "X" and e["args"]["trace_id"] == front[0][0]}
    assert {"request", "http parse", "post_infer", "front", "back", "infer", "format"} <= set(own)
    assert own["front"]["ts"] + own["front"]["dur"] <= own["back"]["ts"] + 1
    assert own["request"]["ts"] <= own["front"]["ts"]


def test_traces_by_id_and_for_the_web_ui(server):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 400]}]}
    answer = requests.post(server.url + "/v2/models/branch/infer", json=body, timeout=10,
                           headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01", "x-request-id": "me"})
    assert answer.status_code == 200 and answer.headers["x-trace-id"] == trace_id
    one = requests.get(f"{server.admin_url}/traces/{trace_id}", timeout=10)
    names = [e["name"] for e in one.json()["traceEvents"] if e["ph"] == "X"]
    assert "gate" in names and "careful" in names
    assert requests.get(f"{server.admin_url}/traces/{'0' * 32}", timeout=10).status_code == 404
    shown = requests.get(server.url + "/ui/trace", timeout=10)
    trace = next(t for t in shown.json()["traces"] if t["id"] == trace_id)
    assert (trace["model"], trace["kind"], trace["done"]) == ("branch", "pipeline", True)
    assert abs(trace["start_ms"] / 1000 - time.time()) < 60
    request = next(s for s in trace["spans"] if s["depth"] == 0)
    for span in trace["spans"]:
        assert span["start_us"] >= 0
        assert span["start_us"] + span["duration_us"] <= request["start_us"] + request["duration_us"] + 1
    assert set(trace) == {"id", "model", "kind", "start_ms", "done", "spans"}
    assert all(set(span) == {"name", "start_us", "duration_us", "depth"} for span in trace["spans"])
    assert requests.get(server.url + "/traces", timeout=10).status_code == 404, "the operator's port only"


def test_a_model_that_is_unloaded_is_named(client, server):
    x = np.ones((1, 4), np.float32)
    with client_of(server, admin=True) as admin:
        admin.unload_model("add_ten")
        try:
            with pytest.raises(InferenceServerException, match="step 'careful': model 'add_ten': The model is unloaded"):
                infer(client, "branch", x * 100)
            np.testing.assert_allclose(infer(client, "branch", x), x * 2)  # does not need it
        finally:
            admin.load_model("add_ten")
        np.testing.assert_allclose(infer(client, "branch", x * 100), x * 210)
        admin.unload_model("branch")
        assert not client.is_model_ready("branch")
        admin.load_model("branch")
    np.testing.assert_allclose(infer(client, "branch", x), x * 2)


def test_bad_requests(client):
    with pytest.raises(InferenceServerException, match="shape"):
        infer(client, "branch", np.ones((1, 5), np.float32))
    with pytest.raises(InferenceServerException, match="'values' has 3 rows, but 'scores' has 2"):
        ask_rows(client, np.ones((3, 4), np.float32), np.ones(2, np.float32) * 5)
    with pytest.raises(InferenceServerException, match="time was over"):
        infer(client, "a_two_stages", np.ones((1, WIDTH), np.float32), timeout=1)


def test_a_client_that_leaves(server):
    before = outcomes(server, "a_two_stages")
    x = np.ones((256, WIDTH), np.float32)
    body, length = triton.InferenceServerClient.generate_request_body([input_of("x", x)])
    for _ in range(4):
        with socket.create_connection((server.host, server.port)) as connection:
            connection.sendall(b"POST /v2/models/a_two_stages/infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
                               + f"Inference-Header-Content-Length: {length}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    deadline = time.monotonic() + 30
    while True:  # each was either too quick, or cut short
        after = outcomes(server, "a_two_stages")
        if sum(after.values()) - sum(before.values()) == 4:
            break
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.05)
    assert after["error"] == before["error"] and after["refused"] == before["refused"]
    with client_of(server) as own:
        assert infer(own, "a_two_stages", x).shape == x.shape


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_harm_themselves_only(server, name):
    listed = {m["name"]: m for m in requests.get(server.admin_url + "/models", timeout=10).json()["models"]}
    assert listed[name]["state"] == "failed"
    assert HOSTILE[name][1] in listed[name]["error"]
    with client_of(server, admin=True) as admin:
        states = {m["name"]: m["state"] for m in admin.get_model_repository_index()}
    assert states[name] == "UNAVAILABLE" and states["branch"] == "READY"
