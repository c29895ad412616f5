"""SIGTERM: nobody is cut off without a word, new requests are refused, the exit status is 0."""
import concurrent.futures
import time

import openai
import pytest
import requests

from conftest import Service
from live_server import serving, sim_models


def test_running_answers_finish(tmp_path):
    models, name = sim_models(tmp_path)
    with serving(models) as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
        service = Service(server, name)

        def run(stream):
            answer = service.chat(max_tokens=100, stream=stream, extra_body={"ignore_eos": True})
            if not stream:
                return answer.usage.completion_tokens
            return [chunk.choices[0].finish_reason for chunk in answer][-1]
        answers = [pool.submit(run, i % 2 == 0) for i in range(8)]
        while server.running_and_waiting(name)[0] < 8:
            time.sleep(0.02)
        server.terminate()
        time.sleep(0.1)
        with pytest.raises((openai.APIError, requests.RequestException)):
            service.chat(max_tokens=1)
        assert sorted(str(answer.result()) for answer in answers) == ["100"] * 4 + ["length"] * 4
        assert server.process.wait(10) == 0


def test_an_idle_server_ends_at_once(tmp_path):
    models, _ = sim_models(tmp_path)
    with serving(models) as server:
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 2
