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


def unpack_golden(file, folder, name):
    """A file of tests/goldens/saved_models; its SavedModel becomes `folder`/`name`/1."""
    golden = json.loads((pathlib.Path(__file__).resolve().parents[1] / "goldens" / "saved_models" / file).read_text())
    for member, text in golden["files"].items():
        path = folder / name / "1" / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.decompress(base64.b64decode(text)))
    return golden


def recorded_examples(folder):
    """Of dense features: the model "parsed"."""
    return unpack_golden("examples.json", folder, "parsed")


def recorded_features(folder):
    """Of sparse and ragged features, and of strings: the model "features"."""
    return unpack_golden("features.json", folder, "features")
