"""The bytes of one request: header lines and body."""
import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Request:
    head: bytes  # lines that end in CRLF; Host and Content-Length are the client's
    body: bytes


def kserve_binary(name, datatype, array):
    """KServe v2 with binary tensors both ways."""
    data = np.ascontiguousarray(array).tobytes()
    head = json.dumps({"inputs": [{"name": name, "datatype": datatype, "shape": list(array.shape),
                                   "parameters": {"binary_data_size": len(data)}}],
                       "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
    lines = f"Content-Type: application/octet-stream\r\nInference-Header-Content-Length: {len(head)}\r\n".encode()
    return Request(lines, head + data)


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _field(number, data):
    """A length-delimited field of protobuf's wire format."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def kserve_message(model, name, datatype, array):
    """The same as ModelInferRequest, the tensor in raw_input_contents."""
    shape = b"".join(_varint(size) for size in array.shape)
    tensor = _field(1, name.encode()) + _field(2, datatype.encode()) + _field(3, shape)
    return _field(1, model.encode()) + _field(5, tensor) + _field(7, np.ascontiguousarray(array).tobytes())


def picture():
    return np.random.default_rng(1).integers(0, 256, (1, 3, 224, 224), np.uint8)


def raw_picture():
    """For a service that takes the tensor's bytes as they are."""
    return Request(b"Content-Type: application/octet-stream\r\n", picture().tobytes())


def of_graph(graph):
    """What is sent to a graph of shapes.py."""
    if graph == "identity":
        return kserve_binary("x", "FP32", np.ones((1, 4), np.float32))
    if graph in ("wide-mlp", "gigabyte"):
        return kserve_binary("x", "FP32", np.ones((1, 2048 if graph == "wide-mlp" else 4096), np.float32))
    return kserve_binary("picture", "UINT8", picture())


def picture_message():
    """What is sent to a model of pictures over gRPC."""
    return kserve_message("model", "picture", "UINT8", picture())
