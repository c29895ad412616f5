"""What the server makes of a picture is what Pillow makes of it."""
import base64
import io
import tarfile

import numpy as np
import pytest
import requests
from PIL import Image

from pictures import FILTERS, SIDE, cropped, data_folder, encoded, files, opened, pixels_of, synthetic


def ask(server, model, data, top_k=3 * SIDE * SIDE):
    return requests.post(server.url + "/v1/images/classify", params={"model": model, "top_k": top_k}, data=data,
                         headers={"Content-Type": "image/*"}, timeout=60)


def letterboxed(picture):
    scale = min(SIDE / picture.width, SIDE / picture.height)
    inner = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.BOX)
    padded = Image.new("RGB", (SIDE, SIDE), (0, 128, 255))
    padded.paste(inner, ((SIDE - inner.width) // 2, (SIDE - inner.height) // 2))
    return padded


STEPS = {
    "bilinear": lambda picture: cropped(picture, 20, SIDE, "bilinear"),
    "bicubic": lambda picture: cropped(picture, 20, SIDE, "bicubic"),
    "stretched": lambda picture: picture.resize((SIDE, SIDE), FILTERS["lanczos"]),
    "letterbox": letterboxed,
}


@pytest.mark.parametrize("model", STEPS)
def test_twenty_pictures_are_as_pillow_has_them(server, model):
    """The largest difference of a channel is one step of 255."""
    pictures = files()
    assert len(pictures) >= 20
    for name, data in pictures.items():
        answer = ask(server, model, data)
        assert answer.status_code == 200, (name, answer.text)
        (got,) = answer.json()["data"]
        picture = opened(data)
        assert (got["width"], got["height"]) == picture.size, name
        wanted = np.asarray(STEPS[model](picture)).astype(float).transpose(2, 0, 1)
        difference = np.abs(pixels_of(got) - wanted).max()
        assert difference <= 1, (name, difference)


def test_orientation_is_that_of_the_upright_picture(server):
    picture = synthetic(60, 40, 99)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind, options in (("JPEG", {"quality": 95, "subsampling": 0}), ("PNG", {}), ("WEBP", {"lossless": True})):
            data = encoded(picture, kind, exif=exif.tobytes(), **options)
            (got,) = ask(server, "stretched", data).json()["data"]
            upright = opened(data)
            assert (got["width"], got["height"]) == upright.size, (kind, orientation)
            assert np.abs(pixels_of(got) - np.asarray(STEPS["stretched"](upright)).transpose(2, 0, 1)).max() <= 1, (kind, orientation)


def test_forms_say_the_same(server):
    """The body itself, a form, JSON and a data: URL; one picture and several."""
    data = encoded(synthetic(50, 30, 5), "PNG")
    url = server.url + "/v1/images/classify"
    text = base64.b64encode(data).decode()
    answers = [
        ask(server, "bilinear", data, 5),
        requests.post(url, files={"image": ("a.png", data, "image/png")}, data={"model": "bilinear"}, timeout=60),
        requests.post(url, json={"model": "bilinear", "image": text}, timeout=60),
        requests.post(url, json={"model": "bilinear", "image": "data:image/png;base64," + text}, timeout=60)]
    for answer in answers:
        assert answer.json()["data"] == answers[0].json()["data"], answer.text
    several = requests.post(url, files=[("image", data)] * 16, data={"model": "bilinear"}, timeout=60).json()
    assert [picture["index"] for picture in several["data"]] == list(range(16))
    assert all(picture["classes"] == answers[0].json()["data"][0]["classes"] for picture in several["data"])
    refused = requests.post(url, files={"image": data}, timeout=60)
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "model", "several models: one must be named"


def test_models_say_their_task(server):
    models = requests.get(server.url + "/v1/models", timeout=10).json()["data"]
    assert {model["task"] for model in models} == {"classify"}


# ---- suites of others

def members(folder, archive):
    with tarfile.open(data_folder("E_conformance", folder) / archive) as tar:
        for member in tar:
            if member.isfile():
                yield member.name, tar.extractfile(member).read()


def compare(server, name, data, most):
    """The server reads what Pillow reads, or refuses; 'read', 'refused' or 'differs'."""
    answer = ask(server, "stretched", data)
    if answer.status_code == 400:
        error = answer.json()["error"]
        assert error["code"] in ("invalid_image", "unsupported_media") and error["param"] == "image", (name, error)
        return "refused"
    assert answer.status_code == 200, (name, answer.text)
    (got,) = answer.json()["data"]
    try:
        picture = opened(data)
    except Exception:  # noqa: BLE001  whatever Pillow finds wrong
        return "read"
    wanted = np.asarray(STEPS["stretched"](picture)).astype(float).transpose(2, 0, 1)
    return "read" if np.abs(pixels_of(got) - wanted).max() <= most else "differs"


def test_png_suite(server):
    results = {name.split("/")[-1]: compare(server, name, data, 1) for name, data in members("png", "pngsuite_and_bugfixes.tar.xz")
               if "/pngsuite/" in name and name.endswith(".png")}
    assert len(results) > 150
    small = {name for name in results if name[:3] in ("s01", "s02", "s03")}  # 1 to 3 pixels a side
    broken = {name for name in results if name.startswith("x")}
    assert len(small) == 6 and len(broken) >= 10
    for name, result in results.items():
        assert result == ("refused" if name in small | broken else "read"), name


@pytest.mark.parametrize("archive", ["image_rs_png_with_reference.tar.xz", "libpng_testpngs.tar.xz"])
def test_other_pngs(server, archive):
    results = {name: compare(server, name, data, 1) for name, data in members("png", archive) if name.endswith(".png")}
    assert "differs" not in results.values(), [name for name, result in results.items() if result == "differs"]
    assert list(results.values()).count("read") > 20


def test_jpeg_suites(server):
    results, must_be_read = {}, []
    for archive in ("jpeg_decoder_reftest_crashtest.tar.xz", "image_rs_jpg_with_reference.tar.xz", "libjpeg_turbo_testimages.tar.xz",
                    "libjpeg_turbo_seed_corpora_edges.tar.xz"):
        for name, data in members("jpeg", archive):
            if name.endswith((".jpg", ".jpeg")):
                results[name] = compare(server, name, data, 3)
                # The reference pictures that are large enough; one of them is a cut file.
                if "/reftest/" in name and min(opened(data).size) >= 4 and not name.endswith("partial_progressive.jpg"):
                    must_be_read.append(name)
    assert len(results) > 200
    assert "differs" not in results.values(), [name for name, result in results.items() if result == "differs"]
    assert len(must_be_read) >= 29
    assert [name for name in must_be_read if results[name] != "read"] == []
    assert requests.get(server.url + "/health/live", timeout=10).status_code == 200


def test_a_picture_is_read_only_once_it_is_whole(server):
    data = encoded(synthetic(60, 40, 3), "JPEG")
    for size in range(0, len(data) - 2, 97):
        assert ask(server, "bilinear", data[:size]).status_code == 400, size
    assert Image.open(io.BytesIO(data)).size == (60, 40)
