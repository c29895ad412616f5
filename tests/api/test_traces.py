"""Where the time of a chat answer went, as the operator's port and the web UI's route tell it."""
import time

import pytest
import requests

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
STAGES = ["http parse", "post_chat", "queue", "prefill", "decode"]


def trace_of(server, trace_id):
    """The spans of one trace by name, once it is over."""
    deadline = time.monotonic() + 10
    while True:
        traces = requests.get(server.url + "/ui/trace", timeout=10).json()["traces"]
        found = [t for t in traces if t["id"] == trace_id]
        if found and found[0]["done"]:
            return found[0]
        assert time.monotonic() < deadline, traces
        time.sleep(0.02)


@pytest.mark.parametrize("stream", [True, False])
def test_the_stages_of_a_chat_answer(service, stream):
    trace_id = TRACE_ID[:-1] + ("7" if stream else "8")
    answer = service.chat(stream=stream, max_tokens=8,
                          extra_headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    if stream:
        for _ in answer:
            pass
    trace = trace_of(service.server, trace_id)
    assert (trace["model"], trace["kind"]) == (service.model, "chat")
    spans = {}
    for span in trace["spans"]:
        spans.setdefault(span["name"], []).append((span["start_us"], span["start_us"] + span["duration_us"], span["depth"]))
    assert {"request", "template and tokenise", "submit", "deliver", *STAGES} <= set(spans)
    (start, end, depth), = spans["request"]
    assert (start, depth) == (0, 0)
    stages = [spans[name][0] for name in STAGES]
    for before, after in zip(stages, stages[1:]):
        assert before[0] <= after[0], "in the order of the hops"
    (prefill,), (decode,) = spans["prefill"], spans["decode"]
    assert prefill[1] <= decode[0] + 1 and decode[0] < decode[1] <= end + 1
    handler, tokenise = spans["post_chat"][0], spans["template and tokenise"][0]
    assert handler[0] <= tokenise[0] and tokenise[1] <= handler[1] + 1 and tokenise[2] > handler[2]


def test_for_perfetto(sim):
    sim.chat(extra_headers={"x-trace": "1"})
    answer = requests.get(sim.server.admin_url + "/traces?limit=1", timeout=10).json()
    events = answer["traceEvents"]
    assert {"name", "ph", "pid", "args"} <= set(events[0]) and events[0]["ph"] == "M"
    for event in events[1:]:
        assert event["ph"] == "X" and event["pid"] == events[0]["pid"] and event["dur"] >= 0
        assert abs(event["ts"] / 1e6 - time.time()) < 60
    # Events of one thread nest: none begins within another and ends outside.
    for one in events[1:]:
        for other in events[1:]:
            if one["tid"] == other["tid"] and one["ts"] < other["ts"] < one["ts"] + one["dur"]:
                assert other["ts"] + other["dur"] <= one["ts"] + one["dur"]


def test_some_are_traced_without_asking(sim):
    for _ in range(16):
        sim.chat(max_tokens=1)
    before = requests.get(sim.server.url + "/ui/trace", timeout=10).json()["traces"]
    assert before, "one in sixteen"
