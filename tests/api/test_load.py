"""Many clients at once, and clients that leave: nothing may leak, nobody may hear another's answer."""
import concurrent.futures
import json
import random
import socket
import struct
import time

import openai


def stream_text(service, content, **fields):
    return "".join(chunk.choices[0].delta.content or "" for chunk in service.chat(content, stream=True, **fields))


def test_64_streams_at_once(sim):
    prompts = [f"Tell me about the number {i}." for i in range(64)]
    alone = [sim.chat(prompt, max_tokens=24).choices[0].message.content for prompt in prompts[:8]]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        together = list(pool.map(lambda prompt: stream_text(sim, prompt, max_tokens=24), prompts))
    assert together[:8] == alone
    assert len(set(together)) > 32
    sim.server.await_idle(sim.model)


def test_64_streams_of_the_real_model(real):
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        texts = list(pool.map(lambda i: stream_text(real, f"Count from {i} on.", max_tokens=12), range(64)))
    assert all(texts)
    real.server.await_idle(real.model, seconds=10)


def test_alone_and_in_a_batch_of_16_the_tokens_are_the_same(real):
    def tokens(prompt):
        answer = real.complete(prompt, max_tokens=24, extra_body={"ignore_eos": True, "return_token_ids": True})
        return answer.choices[0].model_extra["token_ids"]

    prompts = [f"The number {i} is" + " a very interesting number" * (i % 5) for i in range(16)]
    alone = [tokens(prompt) for prompt in prompts[:4]]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(tokens, prompts))
    assert together[:4] == alone
    assert len(alone[0]) == 24


def test_a_client_that_leaves_frees_its_blocks(service):
    stream = service.chat("Tell me a very long story.", stream=True, max_tokens=300, extra_body={"ignore_eos": True})
    for _ in range(3):
        next(stream)
    assert service.server.running_and_waiting(service.model)[0] == 1
    stream.close()
    service.server.await_idle(service.model, seconds=2)


def leave_at_random(service, seed):
    """One request, cut at a random time: before the headers, within the stream, or while it is computed whole."""
    random_ = random.Random(seed)
    body = {"model": service.model, "stream": random_.random() < 0.7, "max_tokens": 200, "ignore_eos": True,
            "n": random_.choice([1, 1, 3]), "messages": [{"role": "user", "content": f"Story {seed} " * 20}]}
    content = json.dumps(body).encode()
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n")
    with socket.create_connection((service.server.host, service.server.port)) as connection:
        if random_.random() < 0.5:  # a reset instead of an orderly end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(head.encode() + content)
        connection.settimeout(random_.uniform(0, 0.25))
        deadline = time.monotonic() + connection.gettimeout()
        try:
            while time.monotonic() < deadline and connection.recv(4096):
                pass
        except TimeoutError:
            pass


def test_1000_cuts_leave_nothing_behind(sim):
    baseline = sim.server.kv_blocks(sim.model)
    expected = sim.chat("Am I still well?", max_tokens=16).choices[0].message.content
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        cuts = [pool.submit(leave_at_random, sim, seed) for seed in range(1000)]
        # Someone who stays, all the while.
        survivors = [sim.chat("Am I still well?", max_tokens=16) for _ in range(10)]
        for cut in cuts:
            cut.result()
    assert {answer.choices[0].message.content for answer in survivors} == {expected}
    sim.server.await_idle(sim.model)
    after = sim.server.kv_blocks(sim.model)
    assert after["total"] == baseline["total"]
    assert after["free"] + after["cached"] == after["total"]


def test_overload_is_refused_at_once_and_passes(sim):
    """Far more than the queue holds: each request is answered or refused with a Retry-After."""
    def ask(i):
        try:
            return len(sim.chat(f"Number {i}", max_tokens=64, extra_body={"ignore_eos": True}).choices)
        except openai.APIStatusError as error:
            assert error.status_code == 503, error
            assert int(error.response.headers["retry-after"]) >= 1
            return 0
    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        answered = sum(pool.map(ask, range(300)))
    assert 32 <= answered <= 300
    assert sim.chat("Still there?").choices
    sim.server.await_idle(sim.model)
