"""The parts of bench/cpu that need neither a model nor a peer: arithmetic, goals, turns, and what is written."""
import json
import xml.etree.ElementTree as ET

import pytest

from common.bars import to_svg
from common.earlier import rows_of, with_earlier
from common.goals import Goal, ratio, series
from common.jobs import Job, Row, result_of
from common.machine import highest, limits
from common.measure import alternate
from common.process import Failure, run, run_json
from common.report import cell, number, to_json, to_markdown
from cpu.accuracy import llama_kl, our_figures

HEAD = {"date": "2026-01-02", "commit": "abc", "binary": "millrace 1 (abc)", "rounds": 3, "quick": False,
        "machine": {"cores": [0, 1], "threads": 2, "doctor": {"cpu": {"model": "A <CPU> | 1", "features": ["avx2"]}},
                    "ceilings": {"read_gb_s": [10.0, 20.0]}}}
ASKED = {"name", "unit", "ours", "peer", "peer_version", "ratio", "goal", "limit_fraction"}


class Side:
    """Gives the prepared figures one after another; an exception among them is raised."""
    program, flags = "program", ["-p", 512]

    def __init__(self, log, name, *results):
        self.log, self.name, self.results = log, name, list(results)

    def version(self):
        return f"{self.name} 1.0"

    def run(self):
        self.log.append(self.name)
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def measured(ours, peer, row, limit=None):
    log = []
    job = Job(Side(log, "ours", *ours), Side(log, "peer", *peer), [row])
    return result_of(row, job, *alternate(job.ours, job.peer, len(ours)), limit or {})


def speeds(*values):
    return [{"prefill": value} for value in values]


SPEED = Row("prefill", "tok/s", "prefill", Goal(ratio=2, limit=0.5), limit="float", work=lambda: 10.0)


def test_the_median_of_the_rounds_counts():
    row = measured(speeds(1, 100, 30), speeds(10, 12, 5), SPEED)
    assert (row["ours"], row["peer"], row["ratio"], row["rounds"]) == (30, 10, 3, 3)
    assert (row["ours_range"], row["peer_range"]) == ([1, 100], [5, 12])
    assert series([{"a": 1}, {"a": 4}], "a").median == 2.5


@pytest.mark.parametrize("higher, expected", [(True, 0.5), (False, 2.0)])
def test_a_bigger_ratio_is_always_better_for_us(higher, expected):
    assert ratio(5, 10, higher) == expected


def test_no_ratio_without_both_sides():
    assert ratio(None, 1) is ratio(1, None) is ratio(1, 0) is ratio(0, 1, higher=False) is None


@pytest.mark.parametrize("goal, ours, of_peer, fraction, met", [
    (Goal(ratio=8, limit=0.55), 1, 8, 0.1, True),
    (Goal(ratio=8, limit=0.55), 1, 7.9, 0.55, True),
    (Goal(ratio=8, limit=0.55), 1, 7.9, 0.54, False),
    (Goal(ratio=8, limit=0.55), 1, None, 0.54, None),  # the ratio might still have done it
    (Goal(ratio=8, limit=0.55), 1, None, 0.60, True),
    (Goal(limit=0.95, floor=1), 1, 0.9, 0.99, False),
    (Goal(limit=0.95, floor=1), 1, None, 0.99, None),
    (Goal(limit=0.95, floor=1), 1, 1.2, 0.99, True),
    (Goal(at_most=0.3), 0.31, 9, None, False),
    (Goal(at_most=0.3), None, None, None, None),
])
def test_goals(goal, ours, of_peer, fraction, met):
    assert goal.met(ours, of_peer, fraction) is met


def test_goals_say_themselves():
    assert Goal(8, 0.55).text("float") == "≥ 8× or ≥ 55 % of bf16 peak"
    assert Goal(5).text(higher=False) == "≤ 0.2× the peer's"
    assert Goal(limit=0.95, floor=1).text("memory") == "≥ 95 % of read bandwidth, never below 1×"


def test_sides_take_turns_and_change_who_begins():
    log = []
    alternate(Side(log, "ours", *speeds(1, 2, 3)), Side(log, "peer", *speeds(1, 2, 3)), 3)
    assert log == ["ours", "peer", "peer", "ours", "ours", "peer"]


def test_a_failing_peer_is_a_reason_and_not_the_end():
    row = measured(speeds(1, 2, 3), [Failure("no such program")], SPEED, {"float": 100.0})
    assert (row["ours"], row["peer"], row["ratio"]) == (2, None, None)
    assert row["reason"] == "peer: no such program"
    assert row["limit_fraction"] == 0.2 and row["met"] is None


def test_more_than_the_machine_can_do_is_no_verdict():
    row = measured(speeds(30), speeds(20), SPEED, {"float": 100.0})
    assert row["limit_fraction"] == 3 and row["met"] is None and "disturbed" in row["reason"]
    cached = measured(speeds(30), speeds(20), Row("decode", "tok/s", "prefill", Goal(2, 0.9), limit="memory", work=lambda: 10.0),
                      {"memory": 100.0})
    assert cached["met"] is True and cached["reason"] is None


def test_a_peer_that_fails_later_keeps_what_it_gave_and_its_reason():
    row = measured(speeds(1, 2, 3), [*speeds(4), ValueError("odd")], SPEED)
    assert row["peer"] == 4 and row["reason"] == "peer: ValueError: odd"


def test_programs_that_fail_are_failures():
    with pytest.raises(Failure, match="is not there"):
        run(["/no/such/program"])
    with pytest.raises(Failure, match="ended with 3: what went wrong"):
        run(["sh", "-c", "echo what went wrong >&2; exit 3"])
    with pytest.raises(Failure, match="not done in"):
        run(["sleep", "5"], seconds=0.05)
    with pytest.raises(Failure, match="no JSON"):
        run_json(["echo", "words"])
    assert run_json(["printf", "words\\n{\"a\": 1}\\n"]) == {"a": 1}


def test_ceilings_are_the_highest_of_the_run_and_the_fastest_unit():
    best = highest([{"threads": [1, 2], "read_gb_s": [5, 9]}, {"read_gb_s": [6, 8], "f32_fma_tflops": [0.1, 0.2]}])
    assert best == {"read_gb_s": [6, 9], "f32_fma_tflops": [0.1, 0.2]}
    assert limits(best) == {"memory": 9e9, "float": 0.2e12, "int8": None}
    assert limits({**best, "amx_bf16_tflops": [2.9, 5.8]})["float"] == 5.8e12
    assert limits({}) == {"memory": None, "float": None, "int8": None}


def test_json_has_the_fields_asked_for():
    row = measured(speeds(1.23456789), speeds(2), SPEED, {"float": 100.0})
    document = json.loads(to_json(HEAD, [row], [("tokenizer", "no command")]))
    assert {"machine", "commit", "rows"} <= set(document)
    assert ASKED <= set(document["rows"][0])
    assert document["rows"][0]["ours"] == 1.235
    assert document["rows"][0]["peer_flags"] == "program -p 512" and document["rows"][0]["peer_version"] == "peer 1.0"
    assert document["not_measured"] == [{"name": "tokenizer", "reason": "no command"}]


def test_json_refuses_what_is_no_number():
    row = measured(speeds(1), speeds(2), SPEED)
    with pytest.raises(ValueError):
        to_json(HEAD, [{**row, "ratio": float("nan")}], [])


def test_the_markdown_table_survives_hostile_text():
    row = measured(speeds(4), [Failure("a | b\n<script>")], SPEED)
    page = to_markdown(HEAD, [{**row, "name": "x|y"}], [], "a.svg")
    assert "<script>" not in page and "A &lt;CPU&gt; \\| 1" in page
    lines = page.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| row |"))
    assert all(line.replace("\\|", "").count("|") == 9 for line in lines[at:at + 3])
    assert any("a \\| b &lt;script&gt;" in line for line in lines)


def test_a_quick_run_says_so():
    assert "quick run" in to_markdown({**HEAD, "quick": True}, [], [], "a.svg")
    assert "quick run" not in to_markdown(HEAD, [], [], "a.svg")


@pytest.mark.parametrize("value, shown", [(None, "–"), (0, "0"), (1234.5, "1,234"), (12.345, "12.3"), (1.5, "1.50"),
                                          (0.0291, "0.0291"), (2.9e-5, "2.90e-05"), (float("nan"), "–")])
def test_numbers_are_short(value, shown):
    assert number(value) == shown


def test_cells_have_one_line():
    assert cell("a\nb|c<d>") == "a b\\|c&lt;d&gt;"


def test_bars_are_well_formed_and_leave_out_what_has_no_ratio():
    good, bad = measured(speeds(30), speeds(10), SPEED), measured(speeds(3), [Failure("gone")], SPEED)
    svg = to_svg([{**good, "name": "a<b>&\""}, bad], "title & more")
    words = [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "a<b>&\"" in words and "3.00×" in words and "prefill" not in words
    assert to_svg([], "nothing").startswith("<svg")
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_divergences_are_read_from_what_the_programs_print():
    ours = {"mean_kl": 9.31e-5, "perplexity_change": 0.012, "top1_agreement": 0.99}
    assert our_figures(ours) == {"kl": 9.31e-5, "perplexity": 1.2, "perplexity_off": 1.2}
    better = our_figures({**ours, "perplexity_change": -0.01})
    assert better["perplexity"] == 0 and better["perplexity_off"] == 1
    assert llama_kl("Mean PPL(Q): 1\nMean    KLD:   0.002914 ±   0.000100\nMaximum KLD:   0.5\n") == 0.002914
    with pytest.raises(Failure):
        llama_kl("nothing of the kind")


def test_rows_of_an_earlier_report_stay_in_their_place(tmp_path):
    old = [{**measured(speeds(1), speeds(1), SPEED), "name": name} for name in ("a", "gone", "b")]
    path = tmp_path / "report.json"
    path.write_text(to_json({**HEAD, "commit": "old"}, old, []))
    now = [{**measured(speeds(7, 7), speeds(1, 1), SPEED), "name": "b", "commit": "new"}]
    rows = with_earlier(now, rows_of(path), ["b", "c", "a"])
    assert [(row["name"], row["ours"], row["commit"]) for row in rows] == [("b", 7, "new"), ("a", 1, "old"), ("gone", 1, "old")]
    text = to_markdown(HEAD, rows, [], "bars.svg")
    assert "- old: a; gone" in text and "- new: b" in text and "1 to 2 alternating rounds" in text
    assert "## Commits" not in to_markdown(HEAD, now, [], "bars.svg")
    assert rows_of(tmp_path / "none.json") == []
