"""bench/clients.py: both clients are run on a server of its own, and it says by how much they differ."""
import json
import os
import subprocess
import sys

from live_server import ROOT, binary


def run(*words):
    return subprocess.run([sys.executable, str(ROOT / "bench/clients.py"), "--users", "2", "--requests", "1", "--prompt", "8", "--output", "10",
                           "--rounds", "1", *words], env={**os.environ, "MILLRACE_BINARY": str(binary())}, capture_output=True, text=True, timeout=120)


def test_the_differences_are_those_of_the_figures(tmp_path):
    done = run("--limit", "1e9", "--json", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["figure"] for row in rows][:2] == ["tokens/s", "TTFT p50, ms"] and len(rows) == 7
    for row in rows:
        assert row["ours"] > 0 and row["theirs"] > 0
        assert abs(row["percent"] - 100 * (row["ours"] / row["theirs"] - 1)) < 1e-9
        assert row["figure"] in done.stdout


def test_a_difference_beyond_the_limit_is_a_status():
    done = run("--limit", "-1")
    assert done.returncode == 1 and "tokens/s" in done.stdout, done.stderr


def test_a_server_that_is_not_there_is_no_figure():
    done = run("--url", "http://127.0.0.1:9", "--name", "m")
    assert done.returncode != 0 and "tokens/s" not in done.stdout
