"""Hostile requests and what each must be answered: a table of (name, request, status, type, code, param).

A body may be bytes (sent as they are), a dict (sent as JSON) or a function of the facts about the running server:
facts["model"], facts["context"] (tokens), facts["blocks"] and facts["block_tokens"] of its KV cache.
"""
import dataclasses
import json
import typing

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
INVALID = "invalid_request_error"


@dataclasses.dataclass
class Row:
    name: str
    body: typing.Any
    status: int = 400
    code: str | None = None
    param: str | None = None
    path: str = CHAT
    method: str = "POST"
    headers: dict = dataclasses.field(default_factory=dict)
    type: str = INVALID
    max_seconds: float = 0.5


def chat(**fields):
    return lambda facts: {"model": facts["model"], "max_tokens": 2,
                          "messages": [{"role": "user", "content": "Hi"}], **fields}


def complete(**fields):
    return lambda facts: {"model": facts["model"], "max_tokens": 2, "prompt": "Hi", **fields}


def raw(text):
    """JSON text with $MODEL in it: for what no encoder would write."""
    return lambda facts: text.replace("$MODEL", facts["model"]).encode() if isinstance(text, str) else text


def message(**fields):
    return chat(messages=[fields])


def bodies():
    """What is not a JSON object at all."""
    ok = '{"model":"$MODEL","messages":[{"role":"user","content":"Hi"}],"max_tokens":2'
    cases = {
        "empty": b"", "open brace": b"{", "trailing junk": ok + "} x", "two documents": ok + "}{}",
        "byte order mark": b"\xef\xbb\xbf{}", "NaN": ok + ',"temperature":NaN}',
        "Infinity": ok + ',"temperature":Infinity}', "-Infinity": ok + ',"temperature":-Infinity}',
        "1e400": ok + ',"temperature":1e400}', "lone surrogate": ok + ',"user":"\\ud800"}',
        "low surrogate first": ok + ',"user":"\\udc00\\ud800"}', "invalid UTF-8": b'{"user":"\xff\xfe"}',
        "overlong UTF-8": b'{"user":"\xc0\xaf"}', "UTF-16": '{"a":1}'.encode("utf-16"),
        "duplicate key": ok + ',"max_tokens":3}', "duplicate key, escaped": ok + ',"\\u006dax_tokens":3}',
        "comment": ok + "/* hello */}", "trailing comma": ok + ",}", "single quotes": b"{'model':'m'}",
        "unquoted key": b"{model:1}", "leading zero": ok + ',"seed":01}', "plus sign": ok + ',"seed":+1}',
        "hex": ok + ',"seed":0x10}', "control character": b'{"user":"\x01"}', "NUL": b'{"user":"\x00"}',
        "bad escape": b'{"user":"\\x41"}', "half a string": b'{"user":"abc', "only spaces": b"   \n\t",
        "form data": b"model=m&prompt=Hi",
    }
    for name, body in cases.items():
        yield Row(f"body: {name}", raw(body), code="invalid_json")
    for name, body in {"array": b"[]", "string": b'"x"', "number": b"5", "null": b"null", "true": b"true"}.items():
        yield Row(f"body: {name}", raw(body), code="invalid_type")
    for depth in (65, 100, 5000, 100_000):
        yield Row(f"depth {depth} arrays", raw(b"[" * depth), code="json_too_deep")
        yield Row(f"depth {depth} objects", raw(b'{"a":' * depth), code="json_too_deep")
    yield Row("too many keys", raw(b"{" + b",".join(b'"k%d":1' % i for i in range(10_001)) + b"}"), code="invalid_json")
    yield Row("body over the limit", raw(b'{"a":"' + b"x" * (8 << 20) + b'"}'), status=413, code="body_too_large",
              max_seconds=2)


def media_types():
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
                 "application/json-patch", ""):
        yield Row(f"content type {kind!r}", chat(), status=415, code="unsupported_media_type",
                  headers={"Content-Type": kind})
    for coding in ("gzip", "br", "deflate", "zstd", "gzip, identity"):
        yield Row(f"content encoding {coding}", chat(), status=415, code="unsupported_media_type",
                  headers={"Content-Encoding": coding})


# name: (lowest, highest, is it an integer, is it bounded below by its lowest value itself)
NUMBERS = {
    "temperature": (0, 2, False), "top_p": (0, 1, False), "top_k": (-1, 1 << 20, True), "min_p": (0, 1, False),
    "repetition_penalty": (0, 10, False), "presence_penalty": (-2, 2, False), "frequency_penalty": (-2, 2, False),
    "seed": (-2**63, 2**63 - 1, True), "n": (1, 128, True), "max_tokens": (1, 2**31 - 1, True),
    "min_tokens": (0, 2**31 - 1, True), "truncate_prompt_tokens": (1, 2**31 - 1, True),
    "priority": (-(2**31 - 1), 2**31 - 1, True), "timeout": (0, 86400, False), "best_of": (1, 128, True),
}
CHAT_NUMBERS = {**NUMBERS, "max_completion_tokens": (1, 2**31 - 1, True), "top_logprobs": (0, 20, True)}
COMPLETION_NUMBERS = {**NUMBERS, "logprobs": (0, 20, True)}
OPEN_BELOW = {"top_p", "repetition_penalty", "timeout"}


def numbers(fields, make, where):
    """Every numeric field × every wrong value. Written from the documented ranges, not read off the server."""
    for name, (low, high, integer) in fields.items():
        wrong_types = ['"1"', "true", "[]", "{}", '"NaN"']
        wrong_values = [2**53 + 1, 2**63, -2**63 - 1, 2**70, 1e30, -1e30, 2**31, -1, 0, high + 1, low - 1]
        for text in wrong_types + (["1.5"] if integer else []):
            yield Row(f"{where}: {name} = {text}", with_number(make, name, text), code="invalid_type", param=name)
        for value in sorted(set(wrong_values)):
            inside = low <= value <= high and not (name in OPEN_BELOW and value == low)
            if not inside:
                yield Row(f"{where}: {name} = {value}", with_number(make, name, repr(value)),
                          code="value_out_of_range", param=name)


def with_number(make, name, text):
    def body(facts):
        fields = make()(facts)
        fields.pop(name, None)
        return (json.dumps(fields)[:-1] + f', "{name}": {text}}}').encode()
    return body


def booleans():
    for name in ("stream", "logprobs", "include_stop_str_in_output", "skip_special_tokens", "ignore_eos",
                 "return_token_ids", "add_generation_prompt", "continue_final_message"):
        for value in (0, 1, "true", [], {}):
            yield Row(f"chat: {name} = {value!r}", chat(**{name: value}), code="invalid_type", param=name)
    for value in (0, "true", []):
        yield Row(f"completions: echo = {value!r}", complete(echo=value), code="invalid_type", param="echo",
                  path=COMPLETIONS)


def choices():
    for n in (9, 128):
        yield Row(f"n = {n}", chat(n=n), code="value_out_of_range", param="n")
        yield Row(f"best_of = {n}", complete(best_of=n), code="value_out_of_range", param="best_of", path=COMPLETIONS)
    for n in (16_384, 2**62):
        yield Row(f"n = {n}", chat(n=n), code="value_out_of_range", param="n")
        yield Row(f"best_of = {n}", complete(best_of=n), code="value_out_of_range", param="best_of", path=COMPLETIONS)
    yield Row("best_of = 2", complete(best_of=2), code="unsupported_parameter", param="best_of", path=COMPLETIONS)
    yield Row("n above the server's, streamed", chat(n=9, stream=True), code="value_out_of_range", param="n")


def lengths():
    yield Row("max_tokens over the context", lambda f: chat(max_tokens=f["context"] + 1)(f),
              code="context_length_exceeded", param="max_tokens")
    yield Row("max_tokens = the context", lambda f: chat(max_tokens=f["context"])(f),
              code="context_length_exceeded", param="max_tokens")
    yield Row("max_completion_tokens over the context", lambda f: chat(max_completion_tokens=f["context"] + 1)(f),
              code="context_length_exceeded", param="max_completion_tokens")
    yield Row("prompt of the whole context", lambda f: complete(prompt=[1] * f["context"])(f), path=COMPLETIONS,
              code="context_length_exceeded", param="prompt")
    yield Row("prompt over the context", lambda f: complete(prompt=[1] * (f["context"] + 1))(f), path=COMPLETIONS,
              code="context_length_exceeded", param="prompt")
    yield Row("prompt and max_tokens one over", lambda f: complete(prompt=[1] * 10, max_tokens=f["context"] - 9)(f),
              path=COMPLETIONS, code="context_length_exceeded", param="max_tokens")
    yield Row("7 MB of text", complete(prompt="a" * 7_000_000), path=COMPLETIONS, code="context_length_exceeded",
              param="prompt")
    yield Row("7 MB in a message", message(role="user", content="a" * 7_000_000), code="context_length_exceeded",
              param="messages")
    yield Row("7 MB of one character, tokenize", lambda f: {"model": f["model"], "prompt": "a" * 7_000_000},
              path="/tokenize", code="context_length_exceeded", param="prompt")
    yield Row("min_tokens over max_tokens", chat(min_tokens=5), code="value_out_of_range", param="min_tokens")
    yield Row("echo with max_tokens 0", complete(echo=True, max_tokens=0), code="value_out_of_range",
              param="max_tokens", path=COMPLETIONS)
    yield Row("echo with logprobs", complete(echo=True, logprobs=1), code="unsupported_parameter", param="logprobs",
              path=COMPLETIONS)


def prompts():
    def row(name, prompt, code, param="prompt"):
        return Row(f"prompt: {name}", complete(prompt=prompt), code=code, param=param, path=COMPLETIONS)
    yield row("empty", "", "invalid_value")
    yield row("empty list", [], "invalid_value")
    yield row("list of an empty list", [[]], "invalid_value")
    yield row("list of an empty string", [""], "invalid_value")
    yield row("second is empty", ["a", ""], "invalid_value")
    yield row("number", 5, "invalid_type")
    yield row("object", {}, "invalid_type")
    yield row("boolean", True, "invalid_type")
    yield row("null", None, "missing_required_parameter")
    yield row("id -1", [-1], "value_out_of_range")
    yield row("id 2^31 - 1", [2**31 - 1], "value_out_of_range")
    yield row("id 2^31", [2**31], "value_out_of_range")
    yield row("id 2^40", [2**40], "value_out_of_range")
    yield row("id 2^63", [2**63], "value_out_of_range")
    yield row("id 1.5", [1.5], "invalid_type")
    yield row("id true", [1, True], "invalid_type")
    yield row("id null", [1, None], "invalid_type")
    yield row("text then id", ["a", 1], "invalid_type")
    yield row("id then text", [1, "a"], "invalid_type")
    yield row("ids then text", [[1], "a"], "invalid_type")
    yield row("text then ids", ["a", [1]], "invalid_type")
    yield row("nested too far", [[[1]]], "invalid_type")
    yield row("129 prompts", ["a"] * 129, "value_out_of_range")
    yield Row("prompts × n", complete(prompt=["a"] * 100, n=2), code="value_out_of_range", param="n", path=COMPLETIONS)
    yield Row("no prompt", lambda f: {"model": f["model"]}, code="missing_required_parameter", param="prompt",
              path=COMPLETIONS)


def logprobs():
    for value in (-1, 0, 1, 5, True, "x"):
        yield Row(f"prompt_logprobs = {value!r}", chat(prompt_logprobs=value), code="unsupported_parameter",
                  param="prompt_logprobs")
    yield Row("top_logprobs without logprobs", chat(top_logprobs=3), code="invalid_value", param="top_logprobs")
    yield Row("top_logprobs 21", chat(logprobs=True, top_logprobs=21), code="value_out_of_range", param="top_logprobs")
    yield Row("logprobs 21", complete(logprobs=21), code="value_out_of_range", param="logprobs", path=COMPLETIONS)


def lists():
    cases = [
        ("stop", ["a", "b", "c", "d", "e"], "value_out_of_range"), ("stop", "", "value_out_of_range"),
        ("stop", ["a", ""], "value_out_of_range"), ("stop", "x" * (1 << 20), "value_out_of_range"),
        ("stop", ["x" * 257], "value_out_of_range"), ("stop", 5, "invalid_type"), ("stop", [5], "invalid_type"),
        ("stop", {}, "invalid_type"), ("stop", [None], "invalid_type"),
        ("logit_bias", {str(i): 1 for i in range(1025)}, "value_out_of_range"),
        ("logit_bias", {str(2**31 - 1): 1}, "value_out_of_range"), ("logit_bias", {"-1": 1}, "value_out_of_range"),
        ("logit_bias", {"5": 1e9}, "value_out_of_range"), ("logit_bias", {"5": -1e9}, "value_out_of_range"),
        ("logit_bias", {"5": "1"}, "invalid_type"), ("logit_bias", {"5": None}, "invalid_type"),
        ("logit_bias", {"five": 1}, "invalid_value"), ("logit_bias", {"": 1}, "invalid_value"),
        ("logit_bias", {"5.0": 1}, "invalid_value"), ("logit_bias", {" 5": 1}, "invalid_value"),
        ("logit_bias", {str(2**64): 1}, "invalid_value"), ("logit_bias", [], "invalid_type"),
        ("stop_token_ids", [-1], "value_out_of_range"), ("stop_token_ids", [2**31 - 1], "value_out_of_range"),
        ("stop_token_ids", 5, "invalid_type"), ("stop_token_ids", ["5"], "invalid_type"),
        ("stop_token_ids", list(range(1025)), "value_out_of_range"),
        ("allowed_token_ids", [], "value_out_of_range"), ("allowed_token_ids", [2**40], "value_out_of_range"),
        ("allowed_token_ids", "x", "invalid_type"), ("bad_words", "x", "invalid_type"),
        ("bad_words", [""], "value_out_of_range"), ("bad_words", [5], "invalid_type"),
        ("bad_words", ["certainly several tokens of any vocabulary"], "unsupported_value"),
        ("request_id", "", "value_out_of_range"), ("request_id", "x" * 129, "value_out_of_range"),
        ("request_id", 5, "invalid_type"), ("cache_salt", "", "value_out_of_range"),
        ("cache_salt", "x" * 257, "value_out_of_range"), ("cache_salt", 5, "invalid_type"),
        ("stream_options", {"include_usage": True}, "invalid_value"), ("stream_options", [], "invalid_type"),
    ]
    for number, (name, value, code) in enumerate(cases):
        yield Row(f"list {number}: {name}", chat(**{name: value}), code=code, param=name)
    yield Row("include_usage = 1", chat(stream=True, stream_options={"include_usage": 1}), code="invalid_type",
              param="stream_options.include_usage")


def refused():
    """Fields that would change the answer in a way that this server cannot give, and operators' fields."""
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    cases = {
        "response_format": [{"type": "json_object"}, schema, {"type": "grammar"}, {}, "text", 5],
        "structured_outputs": [{"regex": "a"}], "guided_json": [{}], "guided_regex": ["(a+)+$"],
        "guided_choice": [["a"]], "guided_grammar": ["("], "grammar": ["(" * 60_000], "json_schema": [{}],
        "functions": [[{"name": "f"}]], "audio": [{"voice": "x"}], "modalities": [["audio"], ["text", "audio"], "text"],
        "web_search_options": [{}], "documents": [[{"text": "x"}]], "suffix": ["x"], "use_beam_search": [True],
        "chat_template": ["{{ 1 }}", ""], "chat_template_kwargs": [{}, {"enable_thinking": False}],
        "prompt_embeds": ["AAAA"], "n_discard": [0, -1], "logits_processors": [["os.system"]],
    }
    for name, values in cases.items():
        for number, value in enumerate(values):
            yield Row(f"refused: {name} {number}", chat(**{name: value}), code="unsupported_parameter", param=name)


def messages():
    def row(name, value, code, param):
        return Row(f"messages: {name}", chat(messages=value), code=code, param=param)
    user = {"role": "user", "content": "Hi"}
    yield row("none", [], "value_out_of_range", "messages")
    yield row("null", None, "missing_required_parameter", "messages")
    yield row("text", "Hi", "invalid_type", "messages")
    yield row("object", user, "invalid_type", "messages")
    yield row("1025", [user] * 1025, "value_out_of_range", "messages")
    yield row("number in the list", [5], "invalid_type", "messages[0]")
    yield row("null in the list", [user, None], "invalid_type", "messages[1]")
    yield row("no role", [{"content": "Hi"}], "missing_required_parameter", "messages[0].role")
    yield row("unknown role", [{"role": "root", "content": "Hi"}], "invalid_value", "messages[0].role")
    yield row("role in capitals", [{"role": "USER", "content": "Hi"}], "invalid_value", "messages[0].role")
    yield row("role is a number", [{"role": 1, "content": "Hi"}], "invalid_type", "messages[0].role")
    yield row("role of 1 MB", [{"role": "x" * (1 << 20), "content": "Hi"}], "invalid_value", "messages[0].role")
    yield row("no content", [{"role": "user"}], "missing_required_parameter", "messages[0].content")
    for name, content in {"null": None, "object": {}, "number": 5, "boolean": False}.items():
        yield row(f"content is {name}", [{"role": "user", "content": content}], "invalid_type", "messages[0].content")
    yield row("content is an empty list", [{"role": "user", "content": []}], "invalid_value", "messages[0].content")
    parts = {"text part without text": ({"type": "text"}, "missing_required_parameter", ".text"),
             "text part of a number": ({"type": "text", "text": 5}, "invalid_type", ".text"),
             "part without type": ({"text": "x"}, "missing_required_parameter", ".type"),
             "part type a number": ({"type": 5}, "invalid_type", ".type"),
             "part is text": ("x", "invalid_type", ""), "part is null": (None, "invalid_type", ""),
             "image": ({"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}, "unsupported_media", ""),
             "image as data": ({"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}},
                               "unsupported_media", ""),
             "image from the metadata service": ({"type": "image_url", "image_url": {
                 "url": "http://169.254.169.254/latest"}}, "unsupported_media", ""),
             "audio": ({"type": "input_audio", "input_audio": {}}, "unsupported_media", ""),
             "video": ({"type": "video_url", "video_url": {"url": "file:///etc/passwd"}}, "unsupported_media", ""),
             "file": ({"type": "file", "file": {"file_id": "../../x"}}, "unsupported_media", "")}
    for name, (part, code, where) in parts.items():
        yield row(name, [{"role": "user", "content": [part]}], code, "messages[0].content[0]" + where)
    for name, value in {"of 7 MB": "x" * 7_000_000, "of 257 bytes": "x" * 257, "empty": ""}.items():
        yield row(f"name {name}", [{**user, "name": value}], "value_out_of_range", "messages[0].name")
    yield row("name is a list", [{**user, "name": []}], "invalid_type", "messages[0].name")
    yield row("tool result of no call", [{"role": "tool", "content": "1", "tool_call_id": "c"}], "invalid_value",
              "messages[0].tool_call_id")
    yield row("tool result without id", [{"role": "tool", "content": "1"}], "missing_required_parameter",
              "messages[0].tool_call_id")
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "f"}}]}
    yield row("tool result of another call", [call, {"role": "tool", "content": "1", "tool_call_id": "b"}],
              "invalid_value", "messages[1].tool_call_id")
    yield row("tool calls not a list", [{**call, "tool_calls": {}}], "invalid_type", "messages[0].tool_calls")
    yield row("129 tool calls", [{**call, "tool_calls": call["tool_calls"] * 129}], "invalid_value",
              "messages[0].tool_calls")
    yield row("assistant without anything", [{"role": "assistant", "content": None}], "invalid_type",
              "messages[0].content")
    yield Row("top-level text continued twice", chat(continue_final_message=True, add_generation_prompt=True),
              code="invalid_value", param="continue_final_message")


def tools():
    def tool(**function):
        return [{"type": "function", "function": {"name": "f", **function}}]
    deep = {}
    for _ in range(40):
        deep = {"a": deep}
    cases = {
        "129": (tool() * 129, "value_out_of_range", "tools"), "object": ({}, "invalid_type", "tools"),
        "text": ("f", "invalid_type", "tools"), "of a number": ([5], "invalid_schema", "tools[0]"),
        "unknown type": ([{"type": "code"}], "invalid_schema", "tools[0].type"),
        "no function": ([{"type": "function"}], "invalid_schema", "tools[0].function"),
        "no name": ([{"type": "function", "function": {}}], "invalid_schema", "tools[0].function.name"),
        "name with a space": (tool(name="a b"), "invalid_schema", "tools[0].function.name"),
        "name of 65": (tool(name="a" * 65), "invalid_schema", "tools[0].function.name"),
        "description a number": (tool(description=5), "invalid_schema", "tools[0].function.description"),
        "parameters a list": (tool(parameters=[]), "invalid_schema", "tools[0].function.parameters"),
        "parameters too deep": (tool(parameters=deep), "invalid_schema", "tools[0].function.parameters"),
        "parameters of 5 MB": (tool(parameters={"x": "y" * 5_000_000}), "invalid_schema",
                               "tools[0].function.parameters"),
        "enum of 100k": (tool(parameters={"enum": list(range(100_000))}), "invalid_schema",
                         "tools[0].function.parameters"),
    }
    for name, (value, code, param) in cases.items():
        yield Row(f"tools: {name}", chat(tools=value), code=code, param=param)
    yield Row("tool_choice required", chat(tools=tool(), tool_choice="required"), code="unsupported_parameter",
              param="tool_choice")
    yield Row("tool_choice named", chat(tools=tool(), tool_choice={"type": "function", "function": {"name": "f"}}),
              code="unsupported_parameter", param="tool_choice")
    yield Row("tool_choice unknown", chat(tool_choice="maybe"), code="invalid_value", param="tool_choice")
    yield Row("tool_choice a number", chat(tool_choice=5), code="invalid_type", param="tool_choice")


def models():
    for name in ("gpt-4", "../x", "a/../../b", "/etc/passwd", "x\0y", "m" * 5000, "?", "#", "%2e%2e", "", " ", "ünï",
                 "\r\nX-Injected: 1", "<script>", "${jndi:ldap://x}"):
        yield Row(f"model {name[:20]!r}", chat(model=name), status=404, code="model_not_found", param="model")
    for name in (5, [], {}, True):
        yield Row(f"model {name!r}", chat(model=name), code="invalid_type", param="model")
    yield Row("no model", {"messages": []}, code="missing_required_parameter", param="model")
    yield Row("model null", chat(model=None), code="missing_required_parameter", param="model")


def headers():
    for name in ("x-slo-ttft-ms", "x-slo-tpot-ms", "x-request-timeout-ms"):
        for value in ("0", "-5", "abc", "1e99", "nan", "inf", "5ms", "0x10", "99999999999999999999"):
            yield Row(f"{name}: {value}", chat(), code="invalid_value", param=name, headers={name: value})
    yield Row("fairness id of 257 bytes", chat(), code="invalid_value", param="x-gateway-inference-fairness-id",
              headers={"x-gateway-inference-fairness-id": "x" * 257})


def token_endpoints():
    def tokens(value):
        return lambda facts: {"model": facts["model"], "tokens": value}
    cases = {"none": (None, "missing_required_parameter"), "text": ("x", "invalid_type"), "-1": ([-1], "value_out_of_range"),
             "huge id": ([2**31 - 1], "value_out_of_range"), "2^63": ([2**63], "value_out_of_range"),
             "fraction": ([0.5], "invalid_type"), "of text": (["1"], "invalid_type"), "nested": ([[1]], "invalid_type")}
    for name, (value, code) in cases.items():
        yield Row(f"detokenize {name}", tokens(value), code=code, param="tokens", path="/detokenize")
    yield Row("detokenize 300,000 ids", tokens([1] * 300_000), code="value_out_of_range", param="tokens",
              path="/detokenize")
    for name, value, code in (("number", 5, "invalid_type"), ("list", [], "invalid_type"),
                              ("null", None, "missing_required_parameter")):
        yield Row(f"tokenize {name}", lambda f, v=value: {"model": f["model"], "prompt": v}, code=code, param="prompt",
                  path="/tokenize")
    yield Row("tokenize with a template", lambda f: {"model": f["model"], "prompt": "x", "chat_template": "{{1}}"},
              code="unsupported_parameter", param="chat_template", path="/tokenize")


def routes():
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        yield Row(f"{method} chat", b"", status=405, code="method_not_allowed", method=method)
    yield Row("POST models", b"", status=405, code="method_not_allowed", path="/v1/models")
    yield Row("POST start page", b"", status=405, code="method_not_allowed", path="/")
    for path in ("/index.html", "/assets/", "/assets/none.js", "/ui", "/v1", "/v1/", "/v3/chat/completions",
                 "/v1/chat/completions/x", "/v1/chat/completions/", "/V1/CHAT/COMPLETIONS", "/metrics", "/invocations", "/debug", "/slots", "/admin", "/v1/engines",
                 "/generate", "/v1/chat/completions;x", "/models"):
        yield Row(f"route {path}", b"", status=404, code="not_found", method="GET" if path != "/invocations" else "POST",
                  path=path)


def all_rows():
    for part in (bodies(), media_types(), numbers(CHAT_NUMBERS, chat, "chat"), booleans(), choices(), lengths(),
                 prompts(), logprobs(), lists(), refused(), messages(), tools(), models(), headers(),
                 token_endpoints(), routes()):
        yield from part
    for row in numbers(COMPLETION_NUMBERS, complete, "completions"):
        row.path = COMPLETIONS
        yield row
