"""Models, health, version, metrics, headers, raw event streams."""
import json

import openai
import pytest
import requests


def test_models(service):
    listed = service.client.models.list().data
    assert [model.id for model in listed] == [service.model]
    assert service.client.models.retrieve(service.model).id == service.model
    with pytest.raises(openai.NotFoundError) as caught:
        service.client.models.retrieve("no/such-model")
    assert caught.value.code == "model_not_found"


def test_health_version_and_admin(service):
    for path in ("/health", "/health/live", "/health/ready", "/version", "/ping"):
        assert requests.get(service.server.url + path, timeout=10).status_code == 200
    assert requests.get(service.server.admin_url + "/ping", timeout=10).json() == {"status": "Healthy"}
    for path in ("/metrics", "/models"):
        assert requests.get(service.server.admin_url + path, timeout=10).status_code == 200
        assert requests.get(service.server.url + path, timeout=10).status_code == 404
    states = requests.get(service.server.admin_url + "/models", timeout=10).json()["models"]
    assert states[0]["state"] == "ready"


def test_metrics_count(service):
    def tokens():
        return service.server.metrics()[f'millrace_generation_tokens_total{{model_name="{service.model}"}}']
    before = tokens()
    service.chat(max_tokens=7, extra_body={"ignore_eos": True})
    assert tokens() == before + 7


def test_the_request_id_comes_back(service):
    answer = requests.post(service.server.url + "/v1/completions", timeout=60, headers={"x-request-id": "abc-123"},
                           json={"model": service.model, "prompt": "Hi", "max_tokens": 1})
    assert answer.headers["x-request-id"] == "abc-123"
    assert answer.json()["id"] == "cmpl-abc-123"


def test_errors_are_the_clients_errors(service):
    with pytest.raises(openai.BadRequestError) as caught:
        service.chat(temperature=9)
    assert (caught.value.param, caught.value.code, caught.value.type) == (
        "temperature", "value_out_of_range", "invalid_request_error")
    with pytest.raises(openai.NotFoundError) as caught:
        service.client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as caught:
        service.chat("word " * 50_000)
    assert caught.value.code == "context_length_exceeded"


def test_the_bytes_of_a_stream(service):
    with requests.post(service.server.url + "/v1/chat/completions", stream=True, timeout=60, json={
            "model": service.model, "stream": True, "temperature": 0, "max_tokens": 24,
            "messages": [{"role": "user", "content": "Say hello in Chinese, with an emoji."}]}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        body = answer.content
    events = body.decode("utf-8").split("\n\n")
    assert events[-1] == "" and events[-2] == "data: [DONE]"
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert all(event.startswith("data: {") for event in events[:-2])
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["choices"][0]["delta"] == {} and chunks[-1]["choices"][0]["finish_reason"]
    assert all("�" not in (c["choices"][0]["delta"].get("content") or "") for c in chunks[:-2])


def test_a_deadline_ends_the_answer(sim):
    with pytest.raises(openai.InternalServerError) as caught:
        sim.chat(max_tokens=400, extra_headers={"x-request-timeout-ms": "150"}, extra_body={"ignore_eos": True})
    assert caught.value.status_code in (503, 504)  # refused at the door, or cut at the deadline
    sim.server.await_idle(sim.model)
