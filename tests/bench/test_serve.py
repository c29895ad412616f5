"""`bench serve`: its figures against an independent client's on the same load, its prompts, its files."""
import asyncio
import decimal
import html.parser
import json
import re
import statistics

import pytest

import load_client
from live_server import serving, sim_models
from recording_proxy import witness


def near(ours, theirs, share):
    return abs(ours - theirs) <= share * theirs


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """20 ms a step, 1 ms a prompt token: latencies as of a real model, beside which a proxy's own are small."""
    models, name = sim_models(tmp_path_factory.mktemp("slow"))
    (models / name / "model.toml").write_text('sim-step-ms = "20"\nsim-token-us = "1000"\n')
    with serving(models) as server:
        server.model = name
        yield server


def test_figures_equal_an_independent_witness(bench, slow):
    """Within 2 % on literally the same load, so that a busy machine disturbs both alike. A closed loop: in an open one our
    times count from when a request was due, which a witness cannot know."""
    with witness(slow.host, slow.port) as seen:
        ours, _, _ = bench.serve(f"http://127.0.0.1:{seen.port}", "--users", 8, "--requests", 24, "--model", slow.model, "--prompt", 60,
                                 "--output", 40, "--token-ids", 250, "--warmup", 8, "--seed", 100)
    theirs = seen.figures(skip=8)  # the warm-up, which also opened the connections: their cost is each side's own
    assert ours["requests"]["ok"] == theirs["requests"] == 24
    assert ours["tokens"]["output"] == theirs["tokens"] == 24 * 40
    assert ours["itl_ms"]["count"] == theirs["pieces"] - 24
    pairs = {f"{name} p{q}": (ours[f"{name}_ms"][f"p{q}"], theirs[f"{name} p{q}"])
             for name in ("ttft", "itl", "tpot", "e2e") for q in (50, 90, 95, 99)}
    pairs["tokens/s"] = (ours["throughput"]["output_tokens_per_second"], theirs["tokens/s"])
    for name, (a, b) in pairs.items():
        print(f"{name}: {a:.2f} against {b:.2f} ({100 * (a / b - 1):+.2f} %)")
    # Single times may be a thread switch apart, which a machine whose cores are all busy takes milliseconds for:
    # most between a client that wants to send and a proxy that hears of it.
    slack = {name: 0 if name == "tokens/s" else 15 if "ttft" in name or name == "itl p99" else 3 for name in pairs}
    wrong = [name for name, (a, b) in pairs.items() if not near(a, b, 0.02) and abs(a - b) > slack[name]]
    assert not wrong, wrong


def test_figures_equal_an_independent_clients(bench, slow):
    """bench/load_client.py on the same load right after. A quarter is allowed: two runs differ by what else the machine
    does meanwhile; the test above has no such excuse."""
    users, prompt, output = 8, 30, 60
    ours, theirs = [], []
    for seed in range(3):
        result, _, _ = bench.serve(slow.url, "--users", users, "--requests", users, "--prompt", prompt, "--output", output,
                                   "--token-ids", 250, "--seed", 200 + seed, "--warmup", 0)
        assert result["requests"] == {"total": users, "ok": users, "failed": 0, "inexact_prompts": 0}
        assert result["tokens"] == {"prompt": users * prompt, "cached": 0, "output": users * output}
        ours.append(result)
        theirs.append(asyncio.run(load_client.run_load(slow.url, slow.model, users, 1, prompt, output, 250, 100 + seed, first_id=0)))
        assert theirs[-1]["errors"] == 0
    for name, get_ours, get_theirs in (
            ("tokens/s", lambda r: r["throughput"]["output_tokens_per_second"], lambda r: r["tokens_per_second"]),
            ("inter-token p50", lambda r: r["itl_ms"]["p50"], lambda r: r["itl_ms"]["p50"]),
            ("end to end p50", lambda r: r["e2e_ms"]["p50"], lambda r: r["e2e_ms"]["p50"])):
        a, b = statistics.median(map(get_ours, ours)), statistics.median(map(get_theirs, theirs))
        print(f"{name}: {a:.2f} against {b:.2f} ({100 * (a / b - 1):+.2f} %)")
        assert near(a, b, 0.25), f"{name}: {a} against {b}"


@pytest.mark.parametrize("api", ["completions", "chat"])
def test_prompts_have_the_tokens_asked_for(bench, sim, api):
    result, _, done = bench.serve(sim.url, "--api", api, "--users", 4, "--requests", 16, "--prompt", "uniform:90-300", "--output", 4)
    assert result["requests"]["ok"] == 16
    assert result["requests"]["inexact_prompts"] == 0, done.stderr
    assert result["load"]["prompts_counted_by"] == "tokenize"
    assert 16 * 90 <= result["tokens"]["prompt"] <= 16 * 300


def test_a_shared_prefix_is_found_in_the_cache(bench, sim):
    """Two groups of 160 tokens: all but the first few requests of each group find theirs; without, none finds anything."""
    load = ("--users", 2, "--requests", 12, "--prompt", 32, "--output", 4, "--warmup", 0)
    result, _, _ = bench.serve(sim.url, *load, "--shared-prefix", "160:2", "--seed", 4711)
    assert result["tokens"]["prompt"] == 12 * 192
    assert 8 * 144 <= result["tokens"]["cached"] < 12 * 192
    result, _, _ = bench.serve(sim.url, *load, "--seed", 4712)
    assert result["tokens"]["cached"] == 0


def test_open_loop_sends_at_its_rate(bench, sim):
    result, _, _ = bench.serve(sim.url, "--rate", 40, "--duration", 4, "--prompt", 40, "--output", 5, "--slo-ttft-ms", 5000)
    total = result["requests"]["total"]
    assert 105 <= total <= 220  # 160 expected; five standard deviations of a Poisson count
    assert result["seconds"] == 4
    assert result["slo"]["attainment"] == 1
    assert result["client"]["lag_p99_ms"] < 1000


def test_sweep_names_knee_and_slo(bench, sim):
    done = bench.run("sweep", sim.url, "--users", "1,4,16", "--requests", 32, "--prompt", 40, "--output", 20, "--slo-ttft-ms", 10000,
                     "--json", "sweep.json", "--html", "sweep.html")
    assert done.returncode == 0, done.stderr
    sweep = json.loads((bench.folder / "sweep.json").read_text())
    assert sweep["kind"] == "sweep" and len(sweep["runs"]) == 3
    assert sweep["knee"] in (1, 4, 16) and sweep["highest_within_slo"] == 16
    rates = [run["throughput"]["output_tokens_per_second"] for run in sweep["runs"]]
    assert rates == sorted(rates)  # steps of the simulated engine cost the same with more sequences
    assert "knee" in done.stdout and "within the SLO" in done.stdout
    check_html((bench.folder / "sweep.html").read_text())


VOID = {"meta", "line", "circle", "polyline", "br"}


class Checker(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        for name, value in attrs:
            assert name not in ("src", "href", "onload", "onclick"), name
            assert "url(" not in (value or "")
        if tag not in VOID or tag in ("circle", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def check_html(text):
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == [], checker.open
    assert "script" not in checker.seen
    assert checker.seen.count("svg") >= 3
    return " ".join(" ".join(checker.text).split())


SUMMARY = {"count": int, "mean": float, "min": float, "p50": float, "p90": float, "p95": float, "p99": float, "max": float,
           "quantiles": list}
SCHEMA = {
    "millrace_bench": int, "kind": str, "label": str, "started": str, "target": {"url": str, "model": str, "api": str},
    "load": dict, "load_level": float, "load_unit": str, "seconds": float, "interrupted": bool,
    "requests": {"total": int, "ok": int, "failed": int, "inexact_prompts": int}, "errors": dict, "first_error": str,
    "tokens": {"prompt": int, "cached": int, "output": int},
    "throughput": {"requests_per_second": float, "output_tokens_per_second": float, "total_tokens_per_second": float,
                   "pieces_per_second": float},
    "ttft_ms": SUMMARY, "itl_ms": SUMMARY, "tpot_ms": SUMMARY, "e2e_ms": SUMMARY,
    "slo": {"ttft_ms": float, "tpot_ms": float, "within": int, "attainment": float, "goodput_requests_per_second": float},
    "timeline": {"bucket_seconds": float, "output_tokens_per_second": list, "running": list},
    "client": {"cpu_us_per_token": float, "cpu_fraction": float, "lag_p99_ms": float}}


def check_schema(value, schema, path=""):
    assert set(value) == set(schema), (path, set(value) ^ set(schema))
    for key, kind in schema.items():
        if isinstance(kind, dict):
            check_schema(value[key], kind, f"{path}{key}.")
        else:
            assert isinstance(value[key], (int, float) if kind is float else kind), (path + key, value[key])


def shown(value):
    """How page and table may print a number that the JSON has to six digits: one figure, two where the JSON's is a tie, since
    the digits that it lacks decide then."""
    digits = 0 if value >= 1000 or value == int(value) else 1 if value >= 100 else 2
    last = decimal.Decimal(1).scaleb(-digits)
    return {str(decimal.Decimal(str(value)).quantize(last, rounding)) for rounding in (decimal.ROUND_HALF_DOWN, decimal.ROUND_HALF_UP)}


def test_only_a_tie_may_be_shown_in_two_ways():
    assert shown(15.165) == {"15.16", "15.17"} and shown(2.5) == {"2.50"} and shown(15) == {"15"}
    assert shown(15.1651) == {"15.17"} and shown(15.1649) == {"15.16"}
    assert shown(123.45) == {"123.4", "123.5"} and shown(123.46) == {"123.5"} and shown(1234.5) == {"1234", "1235"}


def test_json_html_and_table_say_the_same(bench, sim):
    result, page, done = bench.serve(sim.url, "--users", 4, "--requests", 12, "--prompt", 64, "--output", 20, "--slo-ttft-ms", 900,
                                     "--slo-tpot-ms", 100, "--label", "<us & them>")
    assert done.returncode == 0, done.stderr
    check_schema(result, SCHEMA)
    assert result["millrace_bench"] == 1 and result["kind"] == "serve"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["started"])
    for name in ("ttft_ms", "itl_ms", "tpot_ms", "e2e_ms"):
        summary = result[name]
        assert summary["min"] <= summary["p50"] <= summary["p90"] <= summary["p95"] <= summary["p99"] <= summary["max"]
        assert summary["quantiles"] == sorted(summary["quantiles"]) and len(summary["quantiles"]) == 201
    text = check_html(page)
    assert "<us & them>" in text

    for value in (result["throughput"]["output_tokens_per_second"], result["ttft_ms"]["p50"], result["itl_ms"]["p99"],
                  result["e2e_ms"]["p95"]):
        assert any(figure in text and figure in done.stdout for figure in shown(value)), (value, shown(value))


def test_report_compares_runs_side_by_side(bench, sim):
    for users in (1, 4):
        done = bench.run("serve", sim.url, "--users", users, "--requests", 8, "--prompt", 40, "--output", 10, "--json", f"{users}.json",
                         "--label", f"with {users}")
        assert done.returncode == 0, done.stderr
    done = bench.run("report", "1.json", "4.json", "--html", "both.html")
    assert done.returncode == 0, done.stderr
    assert "with 1" in done.stdout and "with 4" in done.stdout
    text = check_html((bench.folder / "both.html").read_text())
    assert "with 1" in text and "with 4" in text and "×" in text
    (bench.folder / "bad.json").write_text('{"millrace_bench": 1, "kind": "serve"}')
    done = bench.run("report", "1.json", "bad.json")
    assert done.returncode == 1 and "bad.json" in done.stderr


def test_throughput_of_the_simulated_engine_is_its_arithmetic(bench, tmp_path):
    """10 ms a step: one sequence decodes at 100 tokens/s, four at 400; a prompt of 100 tokens is one
    step, and the first of four is under way before the others come."""
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "sim.model").write_text("")
    done = bench.run("throughput", tmp_path / "sim", "--prompt", 100, "--generate", 21, "--batch", "1,4", "--repeat", 3,
                     "--json", "t.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((bench.folder / "t.json").read_text())["rows"]
    assert [row["batch"] for row in rows] == [1, 4]
    for row in rows:
        assert 0.7 * 100 * row["batch"] < row["decode_tokens_per_second"] <= 101 * row["batch"]
        assert 0.4 * 10_000 * row["batch"] < row["prefill_tokens_per_second"] <= 10_100 * row["batch"]
    markdown = bench.run("throughput", tmp_path / "sim", "--prompt", 10, "--generate", 3, "--repeat", 1, "--markdown").stdout
    assert all(line.startswith("|") and line.endswith("|") for line in markdown.strip().splitlines())


def test_kernels_measures_against_ceilings_of_the_same_run(bench):
    done = bench.run("kernels", "--shapes", "256x512", "--kinds", "f32,q8_0", "--rows", "1,8", "--seconds", "0.01", "--json", "k.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((bench.folder / "k.json").read_text())
    assert len(result["rows"]) == 4
    assert result["ceilings"]["read_bytes_per_second"] > 1e8 and result["ceilings"]["f32_flops"] > 1e8
    for row in result["rows"]:
        assert row["flops"] == pytest.approx(2 * row["m"] * row["n"] * row["k"] / row["seconds"], rel=1e-6)
        assert row["of_bandwidth"] == pytest.approx(row["bytes_per_second"] / result["ceilings"]["read_bytes_per_second"], rel=1e-6)
