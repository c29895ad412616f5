"""`millrace quantize`: a folder and a GGUF of floats made smaller, served as they are; what it refuses; what it is for."""
import json
import os
import pathlib
import struct

import numpy as np
import pytest

from live_server import ROOT

HIDDEN, INNER, VOCAB, LAYERS = 64, 128, 300, 2
DATA = pathlib.Path(os.environ.get("MILLRACE_DATA", ROOT / ".." / "shared" / "data"))
STORIES = DATA / "A_models" / "llm_stories260K_llama" / "tinyllm.gguf"
CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
          "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": VOCAB, "max_position_embeddings": 128,
          "rms_norm_eps": 1e-5, "tie_word_embeddings": False}


def tensors():
    random = np.random.default_rng(1)
    shapes = {"model.embed_tokens": (VOCAB, HIDDEN), "lm_head": (VOCAB, HIDDEN), "model.norm": (HIDDEN,)}
    for layer in range(LAYERS):
        p = f"model.layers.{layer}."
        shapes |= {p + "input_layernorm": (HIDDEN,), p + "post_attention_layernorm": (HIDDEN,),
                   p + "self_attn.q_proj": (HIDDEN, HIDDEN), p + "self_attn.k_proj": (HIDDEN // 2, HIDDEN),
                   p + "self_attn.v_proj": (HIDDEN // 2, HIDDEN), p + "self_attn.o_proj": (HIDDEN, HIDDEN),
                   p + "mlp.gate_proj": (INNER, HIDDEN), p + "mlp.up_proj": (INNER, HIDDEN), p + "mlp.down_proj": (HIDDEN, INNER)}
    return {name + ".weight": random.standard_normal(shape).astype("float32") * 0.2 for name, shape in shapes.items()}


@pytest.fixture
def floats(millrace):
    folder = millrace.models / "floats"
    folder.mkdir(parents=True)
    header, data = {}, b""
    for name, values in tensors().items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "generation_config.json").write_text("{}")
    (folder / ".hidden.json").write_text("{}")
    return folder


def header_of(file):
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


@pytest.mark.parametrize("kind", ["int8", "int4-g64", "int4-g128"])
def test_a_folder_becomes_a_smaller_folder(millrace, floats, kind):
    done = millrace.run("quantize", "floats", "--kind", kind, "--output", "models/small", "--tokens", 128, "--context", 32)
    assert done.returncode == 0, done.err
    assert "bits a weight" in done.out and "millrace bench accuracy models/small" in done.out
    assert millrace.files() == sorted(["floats/.hidden.json"] + [f"{folder}/{name}" for folder in ("floats", "small") for name in (
        "config.json", "generation_config.json", "model.safetensors")])
    header, data = header_of(millrace.models / "small" / "model.safetensors")
    meta = header.pop("__metadata__")
    assert meta["millrace.quantization"] == kind
    assert header["lm_head.weight"]["dtype"] == "I8" and header["lm_head.weight_scale"]["shape"] == [VOCAB]
    # Read back here, by what ADR 0009 says of the layout: near the floats.
    name = "model.layers.1.mlp.up_proj.weight"
    begin, end = header[name]["data_offsets"]
    block = np.frombuffer(data[begin:end], dtype="uint8")
    if kind == "int8":
        at = header["model.layers.1.mlp.up_proj.weight_scale"]["data_offsets"]
        values = block.view("int8").reshape(INNER, HIDDEN) * np.frombuffer(data[at[0]:at[1]], dtype="float32")[:, None]
    else:
        assert meta["millrace.kind:" + name] == "q4_g64"  # 64 columns hold no group of 128
        rows = block.reshape(INNER, 36)
        scale, minimum = (rows[:, i:i + 2].copy().view("float16").astype("float32") for i in (0, 2))
        nibbles = rows[:, 4:].reshape(INNER, 2, 16)
        values = np.concatenate([nibbles & 15, nibbles >> 4], axis=2).reshape(INNER, HIDDEN) * scale + minimum
    wanted = tensors()[name]
    assert np.sqrt(np.mean((values - wanted) ** 2)) < (0.005 if kind == "int8" else 0.05) * np.abs(wanted).max()


def test_what_is_refused(millrace, floats):
    taken = millrace.run("quantize", "floats", "--output", "models/floats")
    assert taken.returncode == 1 and "exists already" in taken.err
    container = millrace.run("quantize", "floats", "--output", "small.gguf")
    assert container.returncode == 1 and "become a folder" in container.err
    kind = millrace.run("quantize", "floats", "--output", "small", "--kind", "int5")
    assert kind.returncode == 64
    absent = millrace.run("quantize", "nothing", "--output", "small")
    assert absent.returncode == 1 and "Traceback" not in absent.err
    silent = millrace.run("quantize", "floats", "--output", "small", "--text", "no_such_text")
    assert silent.returncode == 1 and silent.err.startswith("millrace: --text no_such_text: ")
    assert millrace.run("quantize", "floats", "--output", "models/small", "--tokens", 64).returncode == 0
    again = millrace.run("quantize", "small", "--output", "models/smaller", "--tokens", 64)
    assert again.returncode == 1 and "expected f32, f16 or bf16" in again.err
    assert not (millrace.models / "smaller").exists()


@pytest.mark.skipif(not STORIES.exists(), reason="no shared data")
def test_fitted_weights_lose_less_than_rounded_ones(millrace):
    text = millrace.folder / "text"
    text.write_text("Once upon a time, there was a little girl named Lily. She liked to play in the park with her dog. " * 40)

    def kl(*words):
        out = millrace.folder / "out.json"
        done = millrace.run("bench", "accuracy", *words, "--text", text, "--tokens", 512, "--context", 128, "--json", out)
        assert done.returncode == 0, done.err
        return json.loads(out.read_text())["mean_kl"]

    millrace.models.mkdir()
    done = millrace.run("quantize", STORIES, "--kind", "int4-g64", "--output", "models/small.gguf", "--tokens", 8192, "--context", 256)
    assert done.returncode == 0, done.err
    assert kl("small.gguf", "--exact-model", STORIES) < 0.7 * kl(STORIES, "--quantization", "int4-g64")
