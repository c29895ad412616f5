"""The plan of bench/cpu: every row of the comparison exists once, has what the report needs, and is made without a model."""
import pathlib

import pytest

from common.jobs import flags_of
from cpu.plan import Plan
from cpu.setup import Setup


def plan(folder, quick=False):
    nowhere = pathlib.Path(folder)
    return Plan(Setup(binary=nowhere / "millrace", models=nowhere, smollm2=nowhere / "x.gguf", peers=nowhere / "llamacpp",
                      cores=[0, 1], rounds=5, quick=quick)).jobs()


def rows(jobs):
    return [row for job in jobs for row in job.rows]


@pytest.mark.parametrize("quick", [False, True])
def test_names_are_unique_and_nothing_is_made(tmp_path, quick):
    names = [row.name for row in rows(plan(tmp_path, quick))]
    assert len(names) == len(set(names)) and len(names) > 30
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name, goal", [
    ("prefill 512, 1B q8_0", "≥ 8× or ≥ 55 % of bf16 peak"),
    ("prefill 512, 0.5B q8_0", "≥ 6× or ≥ 55 % of bf16 peak"),
    ("prefill 512, 1B bf16", "≥ 10× or ≥ 60 % of bf16 peak"),
    ("decode 1 user, 0.5B q4_k_m", "≥ 1.9× or ≥ 90 % of read bandwidth"),
    ("decode 1 user, 1B q8_0", "≥ 95 % of read bandwidth, never below 1×"),
    ("decode batch 32, 1B q8_0", "≥ 6× or ≥ 45 % of bf16 peak"),
    ("serving 16 users, SmolLM2-135M q4_1, TTFT p99", "≤ 0.2× the peer's"),
    ("serving 16 users, 0.5B q8_0, inter-token p99", "≤ 0.5× the peer's"),
    ("transformers asyncio, 32 users, GPT-2 124M", "≥ 8×"),
    ("transformers asyncio, 32 users, GPT-2 124M, ours bf16", "≥ 8×"),
    ("cold start, ready after exec, SmolLM2-135M q4_1", "≤ 0.3"),
    ("own int8, prefill 512, 1B", "≥ 40 % of int8 peak"),
    ("own int4-g64, perplexity above that of f32, SmolLM2-135M", "≤ 4"),
    ("tokenizer, byte-level BPE, one core", "≥ 60"),
])
def test_goals_are_those_that_were_set(tmp_path, name, goal):
    row = next(row for row in rows(plan(tmp_path)) if row.name == name)
    assert row.goal.text(row.limit, row.higher) == goal


def test_every_side_says_how_it_is_run(tmp_path):
    for job in plan(tmp_path):
        assert flags_of(job.ours).startswith("millrace ")
        if job.peer is not None:
            assert "2" in flags_of(job.peer).replace("512", "")


def test_the_quick_plan_has_every_kind_of_job(tmp_path):
    kinds = [{(type(job.ours), type(job.peer)) for job in plan(tmp_path, quick)} for quick in (False, True)]
    assert kinds[0] == kinds[1]
