"""Clients of two servers: the simulated engine (exact, fast) and SmolLM2 (real)."""
import openai
import pytest

from live_server import serving, sim_models, smollm2


class Service:
    """A running server with the official client and the name of its model."""

    def __init__(self, server, model):
        self.server, self.model = server, model
        self.client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0, timeout=120)

    def chat(self, content="What is the capital of France?", **fields):
        fields.setdefault("temperature", 0)
        fields.setdefault("max_tokens", 16)
        return self.client.chat.completions.create(
            model=self.model, messages=[{"role": "user", "content": content}], **fields)

    def complete(self, prompt="The capital of France is", **fields):
        fields.setdefault("temperature", 0)
        fields.setdefault("max_tokens", 16)
        return self.client.completions.create(model=self.model, prompt=prompt, **fields)


@pytest.fixture(scope="session")
def sim(tmp_path_factory):
    models, name = sim_models(tmp_path_factory.mktemp("models"))
    with serving(models) as server:
        yield Service(server, name)


@pytest.fixture(scope="session")
def real():
    with serving(smollm2(), "--precision", "exact") as server:
        yield Service(server, "smollm2-135m-instruct")


@pytest.fixture(params=["sim", "real"])
def service(request):
    return request.getfixturevalue(request.param)
