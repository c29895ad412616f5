"""`millrace models`: the real model, a made-up one, and what is broken."""
import json
import shutil
import struct

from live_server import smollm2


def test_the_table_of_a_real_model(millrace):
    millrace.models.mkdir()
    (millrace.models / "smollm2-135m-instruct").symlink_to(smollm2().resolve())
    (model,) = millrace.json("models")["models"]
    # Figures of the published model card and of the file itself.
    assert model["name"] == "smollm2-135m-instruct" and model["family"] == "llama"
    assert model["parameters"] == 134_515_008 and model["context"] == 8192 and model["vocab_size"] == 49_152
    assert model["weights"] == "q4_1" and model["tokenizer"] == "gpt2" and model["chat_template"] is True
    assert model["bytes"] == sum(p.stat().st_size for p in smollm2().iterdir()) and model["error"] is None
    table = millrace.run("models").out.splitlines()
    assert table[0].split() == ["NAME", "FAMILY", "PARAMETERS", "SIZE", "CONTEXT", "WEIGHTS", "TOKENIZER", "TEMPLATE"]
    assert table[1].split()[:3] == ["smollm2-135m-instruct", "llama", "134.5M"] and "\x1b" not in "".join(table)


def safetensors(tensors):
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 4
        for dim in shape:
            size *= dim
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def test_broken_folders_are_listed_with_the_reason(millrace):
    def folder(name, **files):
        (millrace.models / name).mkdir(parents=True)
        for file, data in files.items():
            (millrace.models / name / file.replace("__", ".")).write_bytes(data)

    folder("empty")
    folder("no-weights", config__json=b"{}")
    folder("no-config", model__safetensors=safetensors({"a": [2]}))
    folder("two", a__gguf=b"x", b__gguf=b"x")
    folder("torn", torn__gguf=b"GGUF\x03\x00")
    folder("unfinished", m__gguf__part=b"x")
    folder("stranger", config__json=b'{"architectures":["Nobody"]}', model__safetensors=safetensors({"a": [2]}))
    (millrace.models / "notes.txt").write_text("x")
    (millrace.models / "torn.toml").write_text("")
    (millrace.models / ".hidden").mkdir()
    models = {m["name"]: m for m in millrace.json("models")["models"]}
    assert set(models) == {"empty", "no-weights", "no-config", "two", "torn", "unfinished", "stranger", "notes.txt"}
    words = {"empty": "no model", "no-weights": "safetensors", "no-config": "config.json", "two": "several", "torn": "gguf",
             "unfinished": "pull", "stranger": "Nobody", "notes.txt": "backend"}
    for name, word in words.items():
        assert word in models[name]["error"], models[name]
    text = millrace.run("models").out
    assert text.count("cannot be served") == len(models) and str(millrace.models) not in text


def test_no_folder_and_an_empty_one(millrace):
    assert millrace.run("models", "nowhere").returncode == 1
    millrace.models.mkdir()
    done = millrace.run("models")
    assert done.returncode == 0 and "millrace pull" in done.out
    assert millrace.json("models") == {"models": []}


def test_one_model_itself(millrace):
    (model,) = millrace.json("models", smollm2())["models"]
    assert model["family"] == "llama"


def test_a_copy_without_its_weights_still_reads(millrace):
    """Headers only: the file may be cut anywhere in its weights' pages as long as its length is right."""
    target = millrace.models / "sparse"
    target.mkdir(parents=True)
    source = next(smollm2().glob("*.gguf"))
    size = source.stat().st_size
    with open(source, "rb") as file, open(target / source.name, "wb") as out:
        shutil.copyfileobj(_Head(file, 4 << 20), out)
        out.truncate(size)
    (model,) = millrace.json("models")["models"]
    assert model["parameters"] == 134_515_008 and model["error"] is None


class _Head:
    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, count):
        data = self.file.read(min(count, self.left))
        self.left -= len(data)
        return data
