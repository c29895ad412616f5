"""TensorFlow Serving's example SavedModels as a models folder: see MILLRACE_DATA in the conftests."""
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
