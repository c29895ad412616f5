#!/usr/bin/env python3
"""Writes what jinja2, set up as transformers sets it up, makes of chat templates: tests/goldens/templates/
  cases.json     our own templates (template_cases.py) with their whole outputs
  contexts.json  conversations of our own: messages, tools, tool calls, …
  corpora.json   templates of other people, which are not ours to copy: 64-bit FNV-1a hashes of their outputs, by file
                 and context; null where rendering fails. Only with DATA, the folder that holds C_chat_templates.
Two settings differ from transformers': lists may be changed (its sandbox is the immutable one; ours gives each
rendering its own copies), and the time stands still at 2025-07-10 12:00.

usage: template_goldens.py [DATA [SMOLLM2.gguf]]      needs: pip install jinja2 gguf
"""
import copy
import datetime
import json
import pathlib
import re
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import SandboxedEnvironment

import template_cases

OUT = pathlib.Path(__file__).parents[2] / "tests" / "goldens" / "templates"
NOW = datetime.datetime(2025, 7, 10, 12, 0, 0)
# Addresses, and integers over 64 bits: not ours to match.
INCOMPARABLE = re.compile(r"0x[0-9a-f]{6}|built-in|object at|<generator|bound method|[0-9]{19,}")


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def environment(trim_blocks=True, lstrip_blocks=True):
    env = SandboxedEnvironment(trim_blocks=trim_blocks, lstrip_blocks=lstrip_blocks,
                               extensions=[Generation, loopcontrols])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def rendered(template, context, **settings):
    """The output, or None where jinja2 raises anything."""
    try:
        return environment(**settings).from_string(template).render(**copy.deepcopy(context))
    except Exception:
        return None


def cases():
    rows = []
    for template in template_cases.templates():
        expected = rendered(template, template_cases.CONTEXT)
        if expected is None or not INCOMPARABLE.search(expected):
            rows.append([template, expected])
    return {"context": template_cases.CONTEXT, "cases": rows}


def contexts():
    def user(text):
        return {"role": "user", "content": text}

    def assistant(text, **more):
        return {"role": "assistant", "content": text, **more}

    base = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tools = [{"type": "function", "function": {
        "name": "get_weather", "description": "Weather <now> & \"later\"",
        "parameters": {"type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "Where", "enum": ["Paris", "Köln"]},
            "days": {"type": "integer", "default": 3}, "opts": {"type": "array", "items": {"type": "string"}},
            "nested": {"type": "object", "properties": {"deep": {"type": ["number", "null"]}}, "required": ["deep"]}}},
        "return": {"type": "string"}}}]
    arguments = {"city": "Köln", "days": 2, "ok": True, "x": None, "f": 1.5, "l": [1, "a"]}
    call = {"id": "call12345", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    text_call = {**call, "function": {"name": "get_weather", "arguments": "{\"city\": \"Köln\"}"}}
    result = {"role": "tool", "tool_call_id": "call12345", "name": "get_weather", "content": "{\"t\": 3}"}
    conversations = {
        "multi": {"messages": [{"role": "system", "content": "Be brief. "}, user(" Hi 'you' \n"), assistant("Hello!\n"),
                               user("日本語 🤗?"), assistant("<think>\nhm\n</think>\n\nYes."), user("Bye")]},
        "tools": {"messages": [{"role": "system", "content": "S"}, user("Weather?")], "tools": tools},
        "tool_call": {"messages": [user("Weather?"), assistant(None, tool_calls=[call]), result,
                                   assistant("3 degrees"), user("Thanks")], "tools": tools, "enable_thinking": False},
        "tool_call_text": {"messages": [{"role": "system", "content": "sys"}, user("Weather?"),
                                        assistant("", tool_calls=[text_call]),
                                        {"role": "tool", "tool_call_id": "call12345", "content": "rain"}],
                           "tools": tools},
        "parts": {"messages": [user([{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"}]),
                               assistant([{"type": "text", "text": "That."}]), user("ok")]},
        "reasoning": {"messages": [user("2+2"), assistant("4", reasoning_content="easy", thinking="easy"), user("3+3")],
                      "enable_thinking": True, "reasoning_effort": "high", "thinking": True},
        "wrong_order": {"messages": [assistant("first"), assistant("second"), user("x"), user("y")]},
        "empty": {"messages": []},
        "documents": {"messages": [user("Q")], "documents": [{"title": "T", "text": "body", "doc_id": 1}],
                      "date_string": "10 Jul 2025"},
    }
    made = {"nothing": {}}
    for name, context in conversations.items():
        for suffix, prompt in (("", False), ("+prompt", True)):
            made[name + suffix] = {**base, **context, "add_generation_prompt": prompt}
    return made


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def hashed(text):
    return None if text is None else fnv1a(text)


def corpora(data, all_contexts, model):
    folder = data / "C_chat_templates"
    foreign = {f"minja/{name}": json.loads((folder / "minja_contexts" / f"{name}.json").read_text())
               for name in ("simple", "system", "tool_use")}
    every = {**all_contexts, **foreign}
    files = {}
    for path in sorted(folder.rglob("*.jinja")):
        template = path.read_text()
        files[str(path.relative_to(folder))] = {name: hashed(rendered(template, c)) for name, c in every.items()}
    vectors = {}
    for path in sorted((folder / "hf_jinja_vectors").glob("*.jsonl")):
        rows = []
        for line in path.read_text().splitlines():
            row = json.loads(line)
            blocks = path.name != "jinja_syntax_vectors.jsonl"
            options = row.get("options") or {}
            trim = options.get("trim_blocks", False) if "options" in row else blocks
            lstrip = options.get("lstrip_blocks", False) if "options" in row else blocks
            out = rendered(row.get("template") or row.get("chat_template"), row.get("context", row.get("data")),
                           trim_blocks=trim, lstrip_blocks=lstrip)
            rows.append("skip" if "__FUNCTION__" in line else hashed(out))
        vectors[path.name] = rows
    smollm2 = {}
    if model:
        import gguf
        template = gguf.GGUFReader(model).fields["tokenizer.chat_template"].contents()
        smollm2 = {name: rendered(template, c) for name, c in all_contexts.items()}
    return {"files": files, "vectors": vectors, "smollm2": smollm2}


def lines(value, levels):
    """JSON with the outer `levels` of lists and objects spread over lines, so that changes read well in a diff."""
    if levels == 0 or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, list):
        return "[\n" + ",\n".join(lines(item, levels - 1) for item in value) + "\n]"
    return "{\n" + ",\n".join(f"{json.dumps(key)}:{lines(item, levels - 1)}" for key, item in value.items()) + "\n}"


def write(name, value, levels):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(lines(value, levels) + "\n")


def main():
    made = contexts()
    write("cases.json", cases(), 2)
    write("contexts.json", made, 1)
    if len(sys.argv) > 1:
        write("corpora.json", corpora(pathlib.Path(sys.argv[1]), made, sys.argv[2] if len(sys.argv) > 2 else None), 2)


if __name__ == "__main__":
    main()
