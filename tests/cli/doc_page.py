"""A page of the documentation, and a folder in which what it shows is done, in order.

What a page may hold, and what becomes of it:
  ```sh             each command is run by bash and must succeed (```zsh by zsh)
  ```sh status=78   the command ends with this status
  ```sh not-run=R   is not run; R is one of REASONS. Its options must exist all the same
  ```sh add="…"     is run with these words behind it, to make it shorter
  ```python         is run
  ```text  ```json  right behind a block that ran: what its last command prints, of a server what it logs; how far `…` and
                    numbers may differ, `pattern` and `matches_json` say
  ```toml file=F    is written into F first (```ini the same)
  `millrace serve`  runs in the background, on free ports, until the next one or the end of the page
  127.0.0.1:8000    stands for its port, 127.0.0.1:8002 for its admin port; a page that asks before it has started a
                    server asks one of `models`
  needs=graphs      on any block: only where graph models are built in
"""
import dataclasses
import json
import re
import shlex
import subprocess
import sys
import time

from live_server import Server

REASONS = {
    "build": "clones, installs or compiles",
    "minutes": "measures for minutes",
    "system": "changes the machine: services, users",
}
MARKS = {"status", "not-run", "add", "file", "needs"}
SHOWN = {"text", "json"}
WRITTEN = {"toml", "ini"}
RUN = {"sh", "zsh", "python"}
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.S | re.M)
SERVE = re.compile(r"^((?:\w+=\S+ )*)(?:build/release/)?millrace serve\b(.*)", re.S)
TIMEOUT_SECONDS = 120
LOG_SECONDS = 5  # until a line that is written behind the answer is there


class Lie(AssertionError):
    """The page says what is not so."""


@dataclasses.dataclass
class Block:
    language: str
    marks: dict
    text: str
    line: int            # of its fence
    follows: bool = False  # nothing stands between it and the block before


def read_blocks(text):
    blocks, end = [], None
    for match in FENCE.finditer(text):
        marks = dict(word.partition("=")[::2] for word in shlex.split(match[2]))
        line = text[:match.start()].count("\n") + 1
        follows = end is not None and not text[end:match.start()].strip()
        blocks.append(Block(match[1], marks, match[3], line, follows))
        end = match.end()
    if len(re.findall(r"^\s*```", text, re.M)) != 2 * len(blocks):
        raise Lie("a block without a language, indented, or without an end")
    return blocks


def check_marks(block):
    if block.language not in RUN | SHOWN | WRITTEN:
        raise Lie(f"line {block.line}: no rule says what a block of {block.language} is for")
    if unknown := set(block.marks) - MARKS:
        raise Lie(f"line {block.line}: unknown marks {unknown}")
    reason = block.marks.get("not-run")
    if reason is not None and reason not in REASONS:
        raise Lie(f"line {block.line}: {reason!r} is no reason not to run; those are {sorted(REASONS)}")
    if block.language in WRITTEN and not block.marks.keys() & {"file", "not-run"}:
        raise Lie(f"line {block.line}: say which file this is")


def commands(script):
    """The commands of a shell script with the lines they begin at, counted from 1."""
    begun, first = "", 1
    for number, line in enumerate(script.splitlines(), 1):
        if not begun:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            first = number
        begun += line + "\n"
        parsed = subprocess.run(["bash", "-n", "-c", begun], capture_output=True, text=True, timeout=30)
        if parsed.returncode == 0 and not parsed.stderr and not line.endswith("\\"):
            yield first, begun.strip()
            begun = ""
    if begun:
        raise Lie(f"not a whole command: {begun}")


def pattern(line):
    """Of a shown line: `…` is any text; a number of four digits or with a fraction is any number; the rest is literal."""
    def part(token):
        if token == "…":
            return ".*"
        varies = re.fullmatch(r"\d+\.\d+|\d{4,}", token)
        return r"\d+(?:\.\d+)?" if varies else re.escape(token)
    return "".join(part(token) for token in re.split(r"(…|\d+(?:\.\d+)?)", line))


def matches_text(shown, printed):
    """A line that is only `…` stands for any lines."""
    lines = [line.rstrip() for line in shown.strip().splitlines()]
    regex = "".join(r"(?:.*\n)*?" if line == "…" else pattern(line) + r"[ \t]*\n" for line in lines)
    return re.fullmatch(regex, printed.strip() + "\n") is not None


def matches_json(shown, printed):
    """`…` in a string is any text and a string of it alone anything at all; as the last item of an array or as a key it
    stands for more of them. Numbers as in `pattern`. All else must be equal, and nothing may be missing."""
    if shown == "…":
        return True
    if isinstance(shown, dict):
        known = {key: value for key, value in shown.items() if key != "…"}
        if not isinstance(printed, dict) or not known.keys() <= printed.keys():
            return False
        if "…" not in shown and known.keys() != printed.keys():
            return False
        return all(matches_json(value, printed[key]) for key, value in known.items())
    if isinstance(shown, list):
        is_open = shown[-1:] == ["…"]
        known = shown[:-1] if is_open else shown
        if not isinstance(printed, list) or len(printed) < len(known) or len(printed) > len(known) and not is_open:
            return False
        return all(map(matches_json, known, printed))
    if type(shown) in (int, float) and type(printed) in (int, float):
        return isinstance(shown, float) or abs(shown) >= 1000 or shown == printed
    if isinstance(shown, str) and isinstance(printed, str):
        return re.fullmatch(pattern(shown), printed, re.S) is not None
    return shown is printed


def check_output(block, printed):
    if block.language == "text":
        same = matches_text(block.text, printed)
    else:
        try:
            same = matches_json(json.loads(block.text), json.loads(printed))
        except ValueError as error:
            raise Lie(f"line {block.line}: {error} in {printed!r}") from error
    if not same:
        raise Lie(f"line {block.line}: shown\n{block.text}\nprinted\n{printed}")


class Session:
    """The folder of one reader who does what a page says. `has_graphs`: of the build."""

    def __init__(self, folder, env, has_graphs):
        self.folder, self.env, self.has_graphs = folder, env, has_graphs
        self.server = None
        self.printed = None

    def follow(self, text):
        """Does all of the page; raises Lie at the first thing that is not so."""
        for block in read_blocks(text):
            check_marks(block)
            if block.marks.get("needs") == "graphs" and not self.has_graphs:
                self.printed = None
            elif block.language in SHOWN:
                self.compare(block)
            elif "not-run" in block.marks:
                self.printed = None
            elif block.language in WRITTEN:
                path = self.folder / block.marks["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            elif block.language == "python":
                self.run(block.line + 1, [sys.executable, "-c", self.on_ports(block.text)], block)
            else:
                for line, command in commands(block.text):
                    self.command(block.line + line, command, block)
        self.stop()

    def compare(self, block):
        if not block.follows or self.printed is None:
            return
        deadline = time.monotonic() + LOG_SECONDS
        while True:
            try:
                return check_output(block, self.printed())
            except Lie:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def command(self, line, command, block):
        words = " ".join(filter(None, [command, block.marks.get("add")]))
        serve = SERVE.match(words)
        if serve and "status" not in block.marks:
            return self.serve(line, *serve.groups())
        before = f"fpath=({self.folder}); " if block.language == "zsh" else "set -o pipefail; "
        shell = "zsh" if block.language == "zsh" else "bash"
        self.run(line, [shell, "-c", before + self.on_ports(words)], block)

    def run(self, line, words, block):
        done = subprocess.run(words, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_SECONDS)
        if done.returncode != int(block.marks.get("status", 0)):
            raise Lie(f"line {line}: ended with {done.returncode}: {words[-1]}\n{done.stdout}")
        self.printed = lambda: done.stdout

    def serve(self, line, settings, rest):
        self.stop()
        words = shlex.split(rest, comments=True)
        env = self.env | dict(word.split("=", 1) for word in settings.split())
        ports = {}
        for flag, number in (("--port", "8000"), ("--grpc-port", "8001"), ("--admin-port", "8002")):
            if flag in words:
                at = words.index(flag)
                number = words[at + 1]
                del words[at:at + 2]
            ports[flag] = number
        try:
            self.server = Server(*words, cwd=self.folder, env=env)
        except BaseException as error:
            raise Lie(f"line {line}: millrace serve{rest}: {error}") from None
        self.ports = {ports["--port"]: self.server.port, ports["--grpc-port"]: self.server.grpc_port,
                      ports["--admin-port"]: self.server.admin_port}
        self.printed = self.server.log_text

    def on_ports(self, text):
        if not re.search(r"127\.0\.0\.1:800[012]\b", text):
            return text
        if self.server is None:
            self.serve(0, "", " models")
        return re.sub(r"127\.0\.0\.1:(\d+)", lambda m: f"127.0.0.1:{self.ports.get(m[1], m[1])}", text)

    def stop(self):
        if self.server is None:
            return
        server, self.server = self.server, None
        died, status, log = server.process.poll(), server.stop(), server.log_text()
        server.clean_up()
        if died is not None or status != 0:
            raise Lie(f"the server ended with {status}:\n{log}")
