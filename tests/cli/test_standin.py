"""The stand-in hub is believed only because the hub's own client is content with it."""
import hashlib
import random

import huggingface_hub


def test_the_official_client_lists_and_fetches(hub, tmp_path):
    data = random.Random(1).randbytes(300_000)
    hub.add("org/name", {"config.json": b"{}", "model.safetensors": data})
    api = huggingface_hub.HfApi(endpoint=hub.url, token=False)
    info = api.model_info("org/name", revision="main", files_metadata=True)
    large = next(s for s in info.siblings if s.rfilename == "model.safetensors")
    assert (large.size, large.lfs.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    for name, expected in (("model.safetensors", data), ("config.json", b"{}")):
        path = huggingface_hub.hf_hub_download("org/name", name, endpoint=hub.url, token=False, cache_dir=tmp_path / "cache")
        assert open(path, "rb").read() == expected
