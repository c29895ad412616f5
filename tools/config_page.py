#!/usr/bin/env python3
"""Writes docs/configuration.md from what the binary says of itself: its manual page, and the sentence with which it refuses a number that is too large.

usage: config_page.py [BINARY]      BINARY: default build/release/millrace
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "configuration.md"
TOO_LARGE = "9" * 18

# Of model.toml alone: no flag declares it, so its line is written here.
MODEL_ONLY = {
    "max-batch-size": ("N", "auto", "Rows that one batch of a graph model holds at most; 1: requests are never merged."),
    "batch-axis": ("auto|0|none", "auto", "Whether a graph's first dimension is a batch."),
    "preferred-batch-sizes": ("N,N", "", "Sizes of which a batch does not wait."),
    "max-queue-delay-us": ("N", "auto", "Microseconds that a request to a graph model waits for company."),
    "max-queue-size": ("N", "256", "Requests that wait for a graph model."),
    "default-timeout-us": ("N", "off", "Microseconds that a request to a graph model waits at most."),
    "timeout-action": ("reject|delay", "reject", "What is done with a request that has waited so long."),
    "priority-levels": ("N", "any", "Levels of requests' priority; 1 is first."),
    "default-priority-level": ("N", "auto", "Level of requests that name none."),
    "instances": ("N", "auto", "Executions of a graph model at once."),
    "device": ("NAME", "CPU", "Device of a graph model."),
    "performance-hint": ("auto|latency|throughput", "auto", "What the runtime is to favour: one answer's time, answers a second, or the one where a request is alone and the other in company."),
    "inference-precision": ("auto|f32|bf16|f16", "auto", "What the runtime computes in."),
    "signatures": ("[TEXT, ...]", "all", "Signatures of a SavedModel that are served; the first is the default where there is no serving_default."),
    "sequences": ("true|false", "false", "The model keeps state between the requests of a sequence; [[state]] says so, too."),
    "max-sequence-idle-us": ("N", "60000000", "Microseconds after which an idle sequence is forgotten."),
    "max-sequences": ("N", "4096", "Sequences alive at once."),
    "version-policy": ("latest|latest:N|all|specific:N,N", "latest", "Which numbered versions are served."),
}

HEAD = """\
<!-- Made by tools/config_page.py; change what it reads, not this page. -->
# Configuration

Every setting, option and variable, as the binary declares them. The everyday ones are explained in [start](start.md), [serve your
model](serve-your-model.md) and [operate](operate.md).

## One setting, four places
A setting of `serve` or `run` comes from a flag, else from a variable of the environment, else from `millrace.toml`, else it has its
default. These three say the same:

```sh
millrace serve models --max-num-seqs 64
MILLRACE_MAX_NUM_SEQS=64 millrace serve models
```
```toml file=millrace.toml
max-num-seqs = 64       # or max_num_seqs
```
```sh
millrace serve models
curl -s http://127.0.0.1:8002/models | grep -o '"max_num_seqs":64'
```
```text
"max_num_seqs":64
```

- `millrace.toml` is read from the folder in which the command starts; `--config FILE` names another, which must exist.
- An unknown key or a wrong value ends the start with status 78 and a sentence that names the flag, the variable, or file and line.
- `run` and `serve` may share a `millrace.toml`: `run` passes over the keys that only `serve` knows (those without `run` in the table).
- A switch is `--NAME`, or `--no-NAME` where it is on by default; in the other places it is `true` or `false`.
- BYTES is a number with `KiB`, `MiB`, `GiB`, `TiB` (or `K`, `M`, `G`, `T`, which are the same), with `kB`, `MB`, `GB`, `TB`, or with nothing.
- `auto` in the table, or 0, lets Millrace choose; what it chooses is in [operate](operate.md#limits).
"""


def ask(binary, *words, status=0):
    done = subprocess.run([str(binary), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode != status:
        raise SystemExit(f"config_page: {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout if status == 0 else done.stderr


def plain(roff):
    return re.sub(r"\\f[BIR]", "", roff).replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


def read_manual(binary):
    """{section: [(head, text)]} and {command: [(head, text)]}; a head is \"--port N\", \"models_dir\", \"78\" …"""
    sections, commands, here = {}, {}, []
    lines = ask(binary, "man").splitlines()
    for at, line in enumerate(lines):
        if line.startswith(".SH "):
            here = sections.setdefault(line[4:], [])
        elif line.startswith(".SS "):
            here = commands.setdefault(plain(line[4:]), [])
        elif line == ".TP":
            here.append((plain(lines[at + 1]), plain(lines[at + 2])))
    return sections, commands


def split_default(text):
    """\"Address to listen on. [127.0.0.1]\" → its two halves."""
    match = re.fullmatch(r"(.*?)\s*\[([^\]]*)\]", text)
    return (match[1], match[2]) if match else (text, "")


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def code(text):
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`" if text else ""


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def value_text(value):
    return ", ".join(f"`{word}`" for word in value.split("|")) if "|" in value else cell(value)


def limits(binary, command, name):
    """\"0 to 65535\": from the refusal of a number that is too large."""
    where = ["models"] if command == "serve" else ["model"]
    said = ask(binary, command, *where, f"--{name}", TOO_LARGE, status=78)
    match = re.search(r"is not between (\S+) and (\S+)$", said.strip())
    return f"{match[1]} to {match[2]}" if match else ""


def takes_in_model_toml(binary, name, value):
    """Whether a model's own file may set it: asked of a folder with such a file."""
    sample = {"": "true", "N": "1", "BYTES": '"1GiB"', "NAME": '"auto"', "N,N": "[4, 8]"}.get(value, f'"{value.split("|")[0]}"')
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "some"
        model.mkdir()
        (model / "sim.model").write_text("")
        (model / "model.toml").write_text(f"{name} = {sample}\n")
        error = json.loads(ask(binary, "models", folder, "--json"))["models"][0]["error"]
    if error and "unknown setting" not in error:
        raise SystemExit(f"config_page: {name}: {error}")
    return not error


def read_setting(head, text):
    """(name, value, default, meaning) of a flag of serve or run."""
    flag, _, value = head.partition(" ")
    meaning, default = split_default(text)
    name = flag.removeprefix("--")
    if not value:
        is_on = name.startswith("no-")
        name, default = name.removeprefix("no-"), "on" if is_on else "off"
        meaning = meaning.removeprefix("Do not: ")
    return name, value, default, meaning


def settings_table(binary, commands):
    def settings(command):
        heads = [entry for entry in commands[command] if entry[0].startswith("--")]
        read = [read_setting(*entry) for entry in heads]
        return [entry for entry in read if entry[0] not in ("help", "help-all", "config")]

    in_run = {name: default for name, _, default, _ in settings("run")}
    rows = []
    for name, value, default, meaning in settings("serve"):
        flag = f"--no-{name}" if default == "on" else f"--{name}"
        shown = "N, " + limits(binary, "serve", name) if value == "N" else value_text(value) or "switch"
        variable = "MILLRACE_" + name.upper().replace("-", "_")
        differs = f" (`{in_run[name]}`)" if in_run.get(name, default) != default else ""
        also = [f"`run`{differs}"] * (name in in_run) + ["`model.toml`"] * takes_in_model_toml(binary, name, value)
        rows.append([code(flag), code(variable), shown, code(default), ", ".join(also), cell(meaning)])
    for name, (value, default, meaning) in MODEL_ONLY.items():
        assert takes_in_model_toml(binary, name, value)
        rows.append(["", "", value_text(value), code(default), f"`model.toml` only: `{name}`", meaning])
    return table(["flag", "variable", "value", "default", "also in", "what it is"], rows)


def is_setting(head, commands):
    return any(head == known for known, _ in commands["serve"])


def command_table(entries, commands, all_options):
    rows = []
    for head, text in entries:
        name, _, value = head.partition(" ")
        shared = is_setting(head, commands) and not all_options
        if name in ("--help", "--help-all", "--config") or shared or not text:
            continue
        meaning, default = split_default(text)
        rows.append([code(head), code(default), cell(meaning)])
    return table(["option or word", "default", "what it is"], rows) if rows else ""


def render(binary):
    sections, commands = read_manual(binary)
    parts = [HEAD, "## Settings of serve and run\n" + settings_table(binary, commands),
             "`model.toml` lies in a model's folder and is for that model alone; its keys are named as the flags are. See\n"
             "[serve your model](serve-your-model.md).\n",
             "## Options of the commands\nBeside the settings above, `--help`, and `--help-all` where some options are rare.\n"]
    for command, entries in commands.items():
        if text := command_table(entries, commands, all_options=command not in ("serve", "run")):
            parts.append(f"### {command}\n{text}")
    for title, section in (("Environment", "ENVIRONMENT"), ("Files", "FILES"), ("Exit status", "EXIT STATUS")):
        parts.append(f"## {title}\n" + table(["", "what it is"], [[code(head), cell(text)] for head, text in sections[section]]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "release" / "millrace"))
