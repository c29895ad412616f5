"""Requests and pictures made to hurt: exact refusals, and the server goes on."""
import base64
import socket
import struct
import time
import zlib

import pytest
import requests

from pictures import encoded, synthetic

GOOD = encoded(synthetic(40, 30, 1), "PNG")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


PICTURES = {
    "nothing": (b"", "invalid_image"),
    "1 x 1": (png(1, 1), "invalid_image"),
    "65,535 x 65,535 in 100 bytes": (png(65535, 65535), "invalid_image"),
    "8,192 x 8,192": (png(8192, 8192), "invalid_image"),
    "2^31 wide": (png(2**31, 8), "invalid_image"),
    "cut": (GOOD[:-20], "invalid_image"),
    "a wrong sum": (GOOD[:60] + bytes([GOOD[60] ^ 1]) + GOOD[61:], "invalid_image"),
    "21 MiB": (GOOD + bytes(21 << 20), "invalid_image"),
    "GIF": (b"GIF89a" + bytes(50), "unsupported_media"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_media"),
    "PDF": (b"%PDF-1.7", "unsupported_media"),
    "TIFF": (b"II*\0" + bytes(50), "unsupported_media"),
    "text": (b"hello", "unsupported_media"),
}


def classify(server, **request):
    return requests.post(server.url + "/v1/images/classify", timeout=60, **request)


def alive(server):
    answer = classify(server, params={"model": "bilinear"}, data=GOOD, headers={"Content-Type": "image/png"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(server, name):
    data, code = PICTURES[name]
    for request in ({"params": {"model": "bilinear"}, "data": data, "headers": {"Content-Type": "image/png"}},
                    {"data": {"model": "bilinear"}, "files": {"image": ("x", data)}},
                    {"json": {"model": "bilinear", "image": base64.b64encode(data).decode()}}):
        answer = classify(server, **request)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"], error["type"]) == (400, code, "image", "invalid_request_error"), answer.text
    alive(server)


@pytest.mark.parametrize("value, code", [
    ("http://127.0.0.1:1/a.png", "url_not_allowed"), ("https://example.com/a.png", "url_not_allowed"),
    ("file:///etc/passwd", "url_not_allowed"), ("data:text/html;base64,aGk=", "unsupported_media"),
    ("data:image/png;base64,!!!!", "invalid_image"), ("data:image/png;base64,aG k=", "invalid_image"),
    ("data:video/jpeg;base64,aaaa,aaaa,aaaa", "unsupported_media"), ("x" * (4 << 20), "unsupported_media"), (5, "invalid_type"),
    ({"url": "x"}, "invalid_type"), ("", "invalid_image")])
def test_json_pictures(server, value, code):
    answer = classify(server, json={"model": "bilinear", "image": value})
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == (400, code, "image"), answer.text
    alive(server)


def test_too_many_and_too_much(server):
    answer = classify(server, data={"model": "bilinear"}, files=[("image", GOOD)] * 17)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "value_out_of_range")
    answer = classify(server, data=bytes((32 << 20) + 1), headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    # Sixteen pictures that are each allowed, but not together: 16 x 4096 x 4096 x 3 bytes.
    flat = png(4096, 4096, zlib.compress(bytes(4096 * 12289), 9))
    answer = classify(server, data={"model": "bilinear"}, files=[("image", flat)] * 16)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_image"), answer.text
    alive(server)


def test_bodies(server):
    def refused(data, content_type, status, code):
        answer = classify(server, data=data, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    refused(GOOD, "text/plain", 415, "unsupported_media_type")
    refused(GOOD, "multipart/form-data", 400, "invalid_multipart")
    refused(GOOD, "multipart/form-data; boundary=x", 400, "invalid_multipart")
    refused(b"--x\r\nContent-Disposition: form-data; name=image\r\n\r\n" + GOOD, "multipart/form-data; boundary=x", 400, "invalid_multipart")
    refused(b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--x--", "multipart/form-data; boundary=x", 400, "missing_required_parameter")
    refused(b"{" * 1000, "application/json", 400, "invalid_json")
    alive(server)


def test_clients_that_leave(server):
    """Nothing is left of requests whose clients went away while their pictures were decoded."""
    big = encoded(synthetic(3000, 2000, 2), "JPEG", quality=95)
    head = (f"POST /v1/images/classify?model=bilinear HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(big)}\r\n\r\n").encode()
    for _ in range(20):
        with socket.create_connection((server.host, server.port), timeout=10) as client:
            client.sendall(head + big)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    alive(server)
    deadline = time.monotonic() + 20
    while requests.get(server.url + "/ui/state", timeout=10).json()["requests"] > 0:
        assert time.monotonic() < deadline, "requests are left over"
        time.sleep(0.05)
