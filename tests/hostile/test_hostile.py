"""Every row of the table is answered exactly as it says, and a good request right after it is answered 200."""
import dataclasses
import http.client
import json
import os
import re
import time

import pytest
import requests

from live_server import serving, sim_models
from rows import all_rows, chat

LEAKS = re.compile(r"/work|/home|/root|/tmp|/usr|\.cc|\.gguf|0x[0-9a-f]{6,}|std::|boost|exception", re.I)
ROWS = list(all_rows())
latencies = []
SLOWDOWN = float(os.environ.get("MILLRACE_TEST_SLOWDOWN", 1))  # of a build with sanitizers


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    models, name = sim_models(tmp_path_factory.mktemp("models"))
    with serving(models) as started:
        started.model = name
        described = requests.get(f"{started.url}/v1/models/{name}", timeout=10).json()
        started.facts = {"model": name, "context": described["max_model_len"]}
        yield started


def ask(server, row):
    body = row.body(server.facts) if callable(row.body) else row.body
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **row.headers}
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    began = time.monotonic()
    try:
        connection.request(row.method, row.path, body=body, headers=headers)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all of it was sent: the answer is there
    answer = connection.getresponse()
    text = answer.read().decode()
    seconds = time.monotonic() - began
    connection.close()
    return answer, text, seconds


def check_alive(server):
    answer = requests.post(server.url + "/v1/chat/completions", json=chat(temperature=0)(server.facts), timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["finish_reason"]


def check_row(server, row):
    answer, text, seconds = ask(server, row)
    assert answer.status == row.status, text
    error = json.loads(text)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"], error["param"]) == (row.type, row.code, row.param), text
    assert error["message"] and len(text) < 700
    assert not LEAKS.search(error["message"]), text
    if row.status == 405:
        assert answer.getheader("Allow")
    assert seconds < row.max_seconds * SLOWDOWN
    latencies.append(seconds)
    check_alive(server)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(server, row):
    check_row(server, row)


@pytest.mark.parametrize("change", [{"status": 422}, {"code": "other"}, {"param": "other"}, {"type": "other"}])
def test_a_wrong_answer_is_noticed(server, change):
    """The control: the same check must fail where the table says something else."""
    row = next(row for row in ROWS if row.name == "chat: temperature = -1")
    with pytest.raises(AssertionError):
        check_row(server, dataclasses.replace(row, **change))


def test_unknown_fields_are_ignored(server):
    for fields in ({"no_such_field": {"a": [1]}}, {"user": "u", "metadata": {"k": "v"}, "store": True},
                   {"service_tier": "auto", "parallel_tool_calls": False, "reasoning_effort": "low"},
                   {"response_format": {"type": "text"}, "modalities": ["text"], "best_of": 1}):
        answer = requests.post(server.url + "/v1/chat/completions", json=chat(**fields)(server.facts), timeout=10)
        assert answer.status_code == 200, answer.text


def test_null_is_absent(server):
    names = ("temperature", "top_p", "n", "stop", "seed", "max_tokens", "tools", "logit_bias", "stream", "top_k",
             "response_format", "chat_template", "stream_options", "logprobs", "top_logprobs")
    answer = requests.post(server.url + "/v1/chat/completions", timeout=30,
                           json={**chat(**dict.fromkeys(names))(server.facts), "max_completion_tokens": 2})
    assert answer.status_code == 200, answer.text


def test_nothing_is_left_behind(server):
    server.await_idle(server.model)
    values = server.metrics()
    crashes = [name for name in values if "integrity_violations" in name or "step_failures" in name]
    assert all(values[name] == 0 for name in crashes)
    statuses = [name for name in values if name.startswith("http_requests_total")]
    assert not [name for name in statuses if re.search(r'status="5\d\d"', name)]


def test_refusals_are_quick():
    assert len(ROWS) >= 400
    ordered = sorted(latencies)
    assert ordered and ordered[int(len(ordered) * 0.99)] < 0.25 * SLOWDOWN
