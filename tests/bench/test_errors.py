"""Failures are counted by kind, and what a server withholds is charged to it."""
import json

from misbehaving_server import HEAD, event, misbehaving, refuse, reset, stream

LOAD = ("--token-ids", 1000, "--prompt", 4, "--output", 3, "--model", "m", "--warmup", 0)


def test_errors_are_counted_by_kind(bench):
    def act(connection, number):
        kind = number % 5
        if kind == 0:
            stream(connection, 3)
        elif kind == 1:
            refuse(connection, 503)
        elif kind == 2:  # resets within the answer: a request that got no byte on a kept connection may be sent again
            connection.sendall(HEAD + event({"choices": [{"index": 0, "text": " x"}]}))
            reset(connection)
        elif kind == 3:
            refuse(connection, 429)
        else:
            connection.sendall(HEAD + event({"error": {"message": "out of memory"}}))
            connection.close()

    with misbehaving(act) as url:
        result, page, done = bench.serve(url, "--users", 1, "--requests", 25, *LOAD)
    assert done.returncode == 0
    assert result["requests"] == {"total": 25, "ok": 5, "failed": 20, "inexact_prompts": 0}
    assert result["errors"] == {"disconnected": 5, "error_event": 5, "http_429": 5, "http_503": 5}
    assert result["first_error"] == "http_503: full"
    assert "20 of 25 requests failed" in done.stdout and "http_503" in page


def test_a_stall_is_a_timeout(bench):
    import time

    def act(connection, number):
        stream(connection, 3) if number % 2 else time.sleep(1.5)

    with misbehaving(act) as url:
        result, _, _ = bench.serve(url, "--users", 1, "--requests", 4, "--timeout", 0.4, *LOAD)
    assert result["errors"] == {"timeout": 2}


def test_nothing_but_failures_is_exit_status_1(bench):
    with misbehaving(lambda connection, number: refuse(connection, 500)) as url:
        result, _, done = bench.serve(url, "--users", 2, "--requests", 6, *LOAD)
        assert done.returncode == 1
        assert result["errors"] == {"http_500": 6}
        done = bench.run("serve", url, "--requests", 4, "--model", "m", "--token-ids", 1000)
        assert done.returncode == 1 and "warm-up" in done.stderr


def test_nobody_there_is_said_plainly(bench):
    with misbehaving(lambda connection, number: None) as url:
        pass
    done = bench.run("serve", url)
    assert done.returncode == 1 and "cannot connect" in done.stderr


def test_a_stall_is_charged_to_all_who_were_due(bench):
    """Open loop: one stall of a second at 50 requests/s must show in the p90 of three seconds' requests."""
    import threading
    import time
    gate = threading.Lock()

    def act(connection, number):
        with gate:
            if number == 50:
                time.sleep(1.0)
        stream(connection, 1)

    with misbehaving(act) as url:
        result, _, _ = bench.serve(url, "--rate", 50, "--requests", 150, *LOAD)
    assert result["requests"]["ok"] == 150
    assert result["ttft_ms"]["p90"] > 300, json.dumps(result["ttft_ms"])
