"""Text completions through the official client."""
import requests


def tokens(service, text):
    return requests.post(service.server.url + "/tokenize", timeout=10,
                         json={"model": service.model, "prompt": text}).json()["tokens"]


def test_paris(real):
    assert "Paris" in real.complete(max_tokens=4).choices[0].text


def test_shape(service):
    answer = service.complete(max_tokens=5, extra_body={"ignore_eos": True})
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5
    assert answer.usage.prompt_tokens == len(tokens(service, "The capital of France is"))


def test_every_kind_of_prompt(service):
    texts = ["The capital of France is", "One, two, three,"]
    expected = [service.complete(text).choices[0].text for text in texts]
    ids = [tokens(service, text) for text in texts]
    assert [c.text for c in service.complete(texts).choices] == expected
    assert service.complete(ids[0]).choices[0].text == expected[0]
    assert [c.text for c in service.complete(ids).choices] == expected


def test_prompts_times_choices(service):
    answer = service.complete(["a b c", "d e f"], n=2, max_tokens=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


def test_default_length_is_openais(service):
    answer = service.client.completions.create(model=service.model, prompt="Once", temperature=0,
                                               extra_body={"ignore_eos": True})
    assert answer.usage.completion_tokens == 16


def test_echo(service):
    plain = service.complete("Once upon a time", max_tokens=5).choices[0].text
    assert service.complete("Once upon a time", max_tokens=5, echo=True).choices[0].text == "Once upon a time" + plain


def test_stream_equals_whole(service):
    whole = service.complete(max_tokens=20).choices[0].text
    chunks = list(service.complete(max_tokens=20, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_logprobs(service):
    answer = service.complete(max_tokens=4, logprobs=3, extra_body={"ignore_eos": True}).choices[0]
    assert len(answer.logprobs.tokens) == len(answer.logprobs.token_logprobs) == 4
    assert all(token in top for token, top in zip(answer.logprobs.tokens, answer.logprobs.top_logprobs))
    assert answer.logprobs.text_offset[0] == 0
    assert answer.logprobs.text_offset == sorted(answer.logprobs.text_offset)


def test_the_likeliest_tokens(real):
    answer = real.complete(max_tokens=4, logprobs=3).choices[0]
    for token, value, top in zip(answer.logprobs.tokens, answer.logprobs.token_logprobs, answer.logprobs.top_logprobs):
        assert len(top) == 3 and max(top, key=top.get) == token and abs(top[token] - value) < 1e-4


def test_tokenize_and_back(service):
    for text in ("Hello, world", "  two  spaces\n", "Grüße 你好 😀", "<|im_end|>"):
        ids = requests.post(service.server.url + "/tokenize", timeout=10, json={
            "model": service.model, "prompt": text, "add_special_tokens": False}).json()
        assert ids["count"] == len(ids["tokens"])
        back = requests.post(service.server.url + "/detokenize", timeout=10,
                             json={"model": service.model, "tokens": ids["tokens"]}).json()
        assert back["prompt"] == text
