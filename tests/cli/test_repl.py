"""`millrace run` without a prompt, through a pseudo-terminal: what a person's keys do."""
import json
import os
import pathlib
import pty
import re
import select
import subprocess
import time

import pytest

from live_server import binary, smollm2

PATIENCE_SECONDS = 90


class Terminal:
    """The program with a terminal of its own."""

    def __init__(self, millrace, *words):
        self.master, slave = pty.openpty()
        env = {**millrace.env, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen([str(binary()), "run", *map(str, words)], cwd=millrace.folder, env=env, stdin=slave,
                                        stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
        os.close(slave)
        self.seen = ""

    def expect(self, pattern):
        """Waits for it in what was not yet looked at; what came before and with it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = re.search(pattern, self.plain(), re.S)
            if found:
                text, self.seen = self.plain()[:found.end()], self.plain()[found.end():]
                return text
            if time.monotonic() > deadline or not self.read():
                pytest.fail(f"{pattern!r} did not come: {self.plain()!r}")

    def read(self):
        ready, _, _ = select.select([self.master], [], [], 1)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def plain(self):
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r", "", self.seen)

    def type(self, text):
        os.write(self.master, text.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(millrace):
    terminal = Terminal(millrace, smollm2(), "--temperature", "0", "--max-tokens", "400")
    terminal.expect("Ctrl-D ends.")
    terminal.expect("> ")
    yield terminal
    terminal.close()


def test_a_conversation(terminal, millrace):
    terminal.type("What is the capital of France?\n")
    terminal.expect(r"Paris.*\n> ")
    terminal.type("/stats\n")
    terminal.expect(r"tokens/s\n.*follow each answer\n")
    terminal.type("/save talk.json\n")
    terminal.expect("2 messages saved")
    saved = json.loads((millrace.folder / "talk.json").read_text())
    assert [m["role"] for m in saved["messages"]] == ["user", "assistant"] and "Paris" in saved["messages"][1]["content"]
    terminal.type("/clear\n/load talk.json\n")
    terminal.expect("forgotten.*2 messages from talk.json")
    terminal.type("/set temperature 3\n")
    terminal.expect("from 0 to 2")
    terminal.type("/set max_tokens 5\n/set\n")
    terminal.expect("max_tokens is 5.*temperature 0\nmax_tokens 5\n|max_tokens is 5.*max_tokens 5\n")
    terminal.type("/system Speak like a pirate.\n/system\n")
    terminal.expect("is set.*Speak like a pirate")
    terminal.type("/nothing\n")
    terminal.expect("no command /nothing")
    terminal.type("Tell me something.\n")
    terminal.expect(r"5 tokens at [0-9.]+ tokens/s")
    terminal.type("/exit\n")
    assert terminal.process.wait(30) == 0


def test_ctrl_c_stops_the_answer_not_the_program(terminal):
    terminal.type("Write a very long story about a mill and its race.\n")
    terminal.expect(r"race\.\n.{20,}")  # it is being told
    terminal.type("\x03")
    terminal.expect(r"\(stopped\)\n")
    terminal.expect("> ")
    terminal.type("half a li\x03")
    terminal.expect("> ")
    terminal.type("/help\n")
    terminal.expect("/save FILE")
    terminal.expect(r"\n> ")
    assert terminal.process.poll() is None
    terminal.type("\x04")
    assert terminal.process.wait(30) == 0


def test_several_lines(terminal, millrace):
    terminal.type("/set max_tokens 1\none \\\n")
    terminal.expect(r"\. ")
    terminal.type("two\n")
    terminal.expect(r"> ")
    terminal.type('"""first\nsecond\n"""\n')
    terminal.expect(r"\n> $")
    terminal.type("/save lines.json\n")
    terminal.expect("saved")
    messages = json.loads((millrace.folder / "lines.json").read_text())["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["one \ntwo", "first\nsecond"]


def test_completion_and_history(terminal, millrace):
    terminal.type("/he\t\n")
    terminal.expect("/save FILE")
    terminal.type("/s\t\t")
    terminal.expect("/system.*/set.*/stats.*/save")
    terminal.type("\x03")
    terminal.expect("> ")
    terminal.type("\x1b[A\n")  # the arrow up: /help again
    terminal.expect("/help *\n.*/save FILE")
    terminal.type("/exit\n")
    assert terminal.process.wait(30) == 0
    history = pathlib.Path(millrace.env["XDG_STATE_HOME"]) / "millrace" / "history"
    assert "/help" in history.read_text() and history.stat().st_mode & 0o077 == 0


def test_lines_of_a_pipe_are_questions(millrace):
    done = subprocess.run([str(binary()), "run", str(smollm2()), "--temperature", "0", "--max-tokens", "8"], cwd=millrace.folder,
                          env=millrace.env, input="What is the capital of France?\n/help\n", capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0 and "Paris" in done.stdout and "/save" not in done.stdout + done.stderr
    assert "> " not in done.stdout and "\x1b" not in done.stdout + done.stderr


def test_one_prompt(millrace):
    done = millrace.run("run", smollm2(), "What is the capital of France?", "--temperature", "0", "--stats")
    assert done.returncode == 0 and "Paris" in done.out and "tokens/s" in done.err
    done = millrace.run("run", "nowhere", "x")
    assert done.returncode == 1 and done.err.startswith("millrace: ")
