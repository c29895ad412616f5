"""SavedModels as a models folder: TensorFlow Serving's examples (see MILLRACE_DATA in the conftests) and one of tests/goldens."""
import base64
import json
import lzma
import pathlib
import struct
import tarfile

LABELS = 'version-policy = "all"\n[version-labels]\nstable = 123\ncanary = 124\n'


def make_models(folder, recorded):
    """half_plus_two: version 123 is y = x / 2 + 2, version 124 is y = x / 2 + 3; functions: the first as TensorFlow 2 exports it."""
    versions = folder / "half_plus_two"
    versions.mkdir(parents=True)
    with tarfile.open(recorded / "tf_serving_testdata.tar.xz") as archive:
        members = [m for m in archive.getmembers() if m.name.startswith("saved_model_half_plus_three/")]
        archive.extractall(folder.parent / "unpacked", members)
    (versions / "00000123").symlink_to(recorded / "saved_model_half_plus_two_cpu" / "00000123")
    (versions / "00000124").symlink_to(folder.parent / "unpacked" / "saved_model_half_plus_three" / "00000123")
    (versions / "model.toml").write_text(LABELS)
    (folder / "functions").symlink_to(recorded / "saved_model_half_plus_two_tf2_cpu")
    return folder


def x_example(*values):
    """A serialised tf.Example with the floats as its feature "x"."""
    def field(number, content):
        return bytes([number << 3 | 2, len(content)]) + content
    floats = field(1, struct.pack(f"<{len(values)}f", *values))
    return field(1, field(1, field(1, b"x") + field(2, field(2, floats))))


def recorded_examples(folder):
    """tests/goldens/saved_models/examples.json; its SavedModel becomes `folder`/parsed/1."""
    golden = json.loads((pathlib.Path(__file__).resolve().parents[1] / "goldens" / "saved_models" / "examples.json").read_text())
    for name, text in golden["files"].items():
        path = folder / "parsed" / "1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.decompress(base64.b64decode(text)))
    return golden
