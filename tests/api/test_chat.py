"""Chat completions through the official client."""
import math

import requests


def text_of(answer, choice=0):
    return answer.choices[choice].message.content


def test_the_capital_of_france(real):
    answer = real.chat(max_tokens=24)
    assert "Paris" in text_of(answer)
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_shape_and_usage(service):
    answer = service.chat(max_tokens=8)
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == service.model
    assert answer.system_fingerprint.startswith("fp_")
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8
    counted = requests.post(service.server.url + "/tokenize", timeout=10, json={
        "model": service.model, "messages": [{"role": "user", "content": "What is the capital of France?"}]}).json()
    assert answer.usage.prompt_tokens == counted["count"]


def test_parts_are_one_text(service):
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert text_of(service.chat(parts)) == text_of(service.chat("one\ntwo"))


def test_greedy_is_repeatable_and_streams_alike(service):
    whole = service.chat(max_tokens=24)
    again = service.chat(max_tokens=24)
    assert text_of(whole) == text_of(again)
    chunks = list(service.chat(max_tokens=24, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == text_of(whole)
    assert [c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason] == [whole.choices[0].finish_reason]
    assert len({c.id for c in chunks}) == 1


def test_seeds(service):
    def sample(seed):
        return text_of(service.chat(temperature=1, seed=seed, max_tokens=24))
    assert sample(1) == sample(1)
    assert len({sample(seed) for seed in range(6)}) > 1


def test_choices(service):
    answer = service.chat(n=3, temperature=1, seed=7, max_tokens=12)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1
    assert answer.usage.completion_tokens <= 36
    texts = {0: "", 1: "", 2: ""}
    ends = {}
    for chunk in service.chat(n=3, temperature=1, seed=7, max_tokens=12, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                ends[choice.index] = choice.finish_reason
    assert texts == {choice.index: choice.message.content for choice in answer.choices}
    assert set(ends) == {0, 1, 2}


def test_stop_strings(service):
    whole = text_of(service.chat(max_tokens=24))
    stop = whole[len(whole) // 2:len(whole) // 2 + 3]
    first = whole.index(stop)
    answer = service.chat(max_tokens=24, stop=[stop, "no such text"])
    assert text_of(answer) == whole[:first]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].stop_reason == stop
    streamed = "".join(c.choices[0].delta.content or "" for c in service.chat(max_tokens=24, stop=stop, stream=True))
    assert streamed == whole[:first]
    kept = service.chat(max_tokens=24, stop=stop, extra_body={"include_stop_str_in_output": True})
    assert text_of(kept) == whole[:first] + stop


def test_logprobs(service):
    answer = service.chat(max_tokens=8, logprobs=True, top_logprobs=4)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens - (answer.choices[0].finish_reason == "stop")
    assert b"".join(bytes(token.bytes) for token in content).decode(errors="replace").startswith(text_of(answer)[:4])
    assert all(token.logprob <= 0 for token in content)
    streamed = [token for chunk in service.chat(max_tokens=8, logprobs=True, top_logprobs=4, stream=True)
                if chunk.choices[0].logprobs for token in chunk.choices[0].logprobs.content]
    assert [token.token for token in streamed] == [token.token for token in content]


def test_greedy_takes_the_likeliest(real):
    for token in real.chat(max_tokens=8, logprobs=True, top_logprobs=4).choices[0].logprobs.content:
        ranked = [top.logprob for top in token.top_logprobs]
        assert len(ranked) == 4 and ranked == sorted(ranked, reverse=True)
        assert sum(math.exp(value) for value in ranked) <= 1.0001
        assert token.token == token.top_logprobs[0].token
        assert abs(token.logprob - ranked[0]) < 1e-4


def test_usage_in_a_stream(service):
    chunks = list(service.chat(max_tokens=6, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 6
    assert all(chunk.usage is None for chunk in chunks[:-1])
    without = list(service.chat(max_tokens=6, stream=True))
    assert all(chunk.usage is None for chunk in without)
    always = list(service.chat(max_tokens=6, stream=True, stream_options={
        "include_usage": True, "continuous_usage_stats": True}))
    counts = [chunk.usage.completion_tokens for chunk in always]
    assert counts == sorted(counts) and counts[-1] == 6


def test_token_ids(service):
    answer = service.chat(max_tokens=6, extra_body={"return_token_ids": True}).to_dict()
    assert len(answer["prompt_token_ids"]) == answer["usage"]["prompt_tokens"]
    ids = answer["choices"][0]["token_ids"]
    back = requests.post(service.server.url + "/detokenize", timeout=10,
                         json={"model": service.model, "tokens": ids}).json()
    assert back["prompt"].strip() == answer["choices"][0]["message"]["content"].strip()


def test_the_prefix_cache_is_reported(service):
    prompt = "The mill stands by the river and its wheel turns day and night. " * 12
    service.chat(prompt, max_tokens=2)
    again = service.chat(prompt, max_tokens=2)
    assert 0 < again.usage.prompt_tokens_details.cached_tokens < again.usage.prompt_tokens
    salted = service.chat(prompt, max_tokens=2, extra_body={"cache_salt": "other"})
    assert salted.usage.prompt_tokens_details.cached_tokens == 0


def test_biases_and_allowed_tokens(real):
    favourite = requests.post(real.server.url + "/tokenize", timeout=10, json={
        "model": real.model, "prompt": " river", "add_special_tokens": False}).json()["tokens"][0]
    assert text_of(real.chat(max_tokens=3, logit_bias={str(favourite): 100})).split() == ["river"] * 3
    allowed = text_of(real.chat(max_tokens=3, extra_body={"allowed_token_ids": [favourite]}))
    assert allowed.split() == ["river"] * 3
    forbidden = real.chat(max_tokens=8, extra_body={"bad_words": ["Paris"]})
    assert "Paris" not in text_of(forbidden)


def test_lengths(service):
    answer = service.chat(max_tokens=40, extra_body={"ignore_eos": True})
    assert answer.usage.completion_tokens == 40
    assert answer.choices[0].finish_reason == "length"
    newer = service.chat(max_tokens=None, max_completion_tokens=3, extra_body={"ignore_eos": True})
    assert newer.usage.completion_tokens == 3
    cut = service.complete("one two three four five six", max_tokens=2,
                           extra_body={"truncate_prompt_tokens": 3})
    assert cut.usage.prompt_tokens == 3


def test_a_turn_can_be_continued(real):
    answer = real.client.chat.completions.create(
        model=real.model, temperature=0, max_tokens=8,
        messages=[{"role": "user", "content": "What is the capital of France?"},
                  {"role": "assistant", "content": "The capital of France is"}],
        extra_body={"continue_final_message": True, "add_generation_prompt": False})
    assert "Paris" in text_of(answer)
