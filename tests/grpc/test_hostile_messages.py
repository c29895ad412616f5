"""Every row is refused with exactly its code, and a good request right after it is answered."""
import socket
import struct

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from conftest import channel_of

INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
ROW = struct.pack("<4f", 1, 2, 3, 4)


def good(**changed):
    inputs = [{"name": name, "datatype": "FP32", "shape": [1, 4]} for name in ("a", "b")]
    return {"model_name": "add_sub", "inputs": inputs, "raw_input_contents": [ROW, ROW], **changed}


def with_a(**changed):
    request = good()
    request["inputs"][0].update(changed)
    return request


def int_param(name, value):
    return {name: service_pb2.InferParameter(int64_param=value)}


def text_param(name, value):
    return {name: service_pb2.InferParameter(string_param=value)}


def field(number, data):
    """A length-delimited field of the wire."""
    length, out = len(data), bytes([number << 3 | 2])
    while length >= 0x80:
        out += bytes([length & 0x7F | 0x80])
        length >>= 7
    return out + bytes([length]) + data


INVALID, TOO_LARGE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
NOT_FOUND, NOT_THERE = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED
ROWS = {
    "no model": (good(model_name=""), NOT_FOUND),
    "another model": (good(model_name="none"), NOT_FOUND),
    "another version": (good(model_version="7"), NOT_FOUND),
    "version is no number": (good(model_version="x" * 1000), NOT_FOUND),
    "an input is missing": (good(inputs=good()["inputs"][:1], raw_input_contents=[ROW]), INVALID),
    "an input twice": (with_a(name="b"), INVALID),
    "an input that is none": (with_a(name="c"), INVALID),
    "an input without a name": (with_a(name=""), INVALID),
    "another type": (with_a(datatype="INT32"), INVALID),
    "a type that is none": (with_a(datatype="FP31"), INVALID),
    "a negative size": (with_a(shape=[-1, 4]), INVALID),
    "a size that overflows": (with_a(shape=[2**62, 4]), INVALID),
    "the smallest size": (with_a(shape=[-2**63, 4]), INVALID),
    "sizes that overflow together": (with_a(shape=[2**32, 2**32, 2**32]), INVALID),
    "a size beyond the data": (with_a(shape=[2**20, 4]), INVALID),
    "another shape": (with_a(shape=[4, 1]), INVALID),
    "too many dimensions": (with_a(shape=[1] * 100), INVALID),
    "no dimensions": (with_a(shape=[]), INVALID),
    "rows that differ": (with_a(shape=[0, 4]) | {"raw_input_contents": [b"", ROW]}, INVALID),
    "too few bytes": (good(raw_input_contents=[ROW[:-1], ROW]), INVALID),
    "too many bytes": (good(raw_input_contents=[ROW + b"x", ROW]), INVALID),
    "too few raw tensors": (good(raw_input_contents=[ROW]), INVALID),
    "too many raw tensors": (good(raw_input_contents=[ROW] * 3), INVALID),
    "both kinds of contents": (with_a(contents={"fp32_contents": [1, 2, 3, 4]}), INVALID),
    "contents of another type": (good(raw_input_contents=[], inputs=[
        {"name": "a", "datatype": "FP32", "shape": [1, 4], "contents": {"int_contents": [1, 2, 3, 4]}}]), INVALID),
    "no contents": (good(raw_input_contents=[]), INVALID),
    "an output that is none": (good(outputs=[{"name": "z"}]), INVALID),
    "an output twice": (good(outputs=[{"name": "sum"}, {"name": "sum"}]), INVALID),
    "a million outputs": (good(outputs=[{"name": "sum"}] * 1_000_000), TOO_LARGE),
    "a thousand raw tensors and more": (good(raw_input_contents=[b""] * 2000), INVALID),
    "classes beyond count": (good(outputs=[{"name": "sum", "parameters": int_param("classification", 2**31)}]), INVALID),
    "classes below none": (good(outputs=[{"name": "sum", "parameters": int_param("classification", -1)}]), INVALID),
    "a negative priority": (good(parameters=int_param("priority", -1)), INVALID),
    "a timeout of text": (good(parameters=text_param("timeout", "1")), INVALID),
    "a sequence": (good(parameters=int_param("sequence_id", 5)), INVALID),
    "a reserved parameter": (good(parameters=int_param("triton_anything", 5)), INVALID),
    "an id of a megabyte": (good(id="i" * 2**20), TOO_LARGE),
    "an id of two kilobytes": (good(id="i" * 2048), INVALID),
    "a region that is none": (with_a(parameters=text_param("shared_memory_region", "r") | int_param("shared_memory_byte_size", 16)),
                              NOT_FOUND),
    "a region without a size": (with_a(parameters=text_param("shared_memory_region", "r")), INVALID),
}
BYTES = {
    "garbage": (INFER, b"garbage, not a message", INVALID),
    "all ones": (INFER, b"\xff" * 1000, INVALID),
    "a group": (INFER, b"\x0b" * 1000, INVALID),
    "text that is no UTF-8": (INFER, field(1, b"\xff\xfe"), INVALID),
    "a length beyond the end": (INFER, b"\x0a\xff\xff\xff\xff\x07", INVALID),
    "many empty inputs": (INFER, field(5, b"") * 2_000_000, TOO_LARGE),
    "many empty raw tensors": (INFER, field(7, b"") * 8_000_000, TOO_LARGE),
    "numbers that grow": (INFER, field(5, field(5, field(3, b"\1" * 40_000_000))), TOO_LARGE),
    "64 MiB and one byte": (INFER, field(7, bytes(2**26 - 4)), TOO_LARGE),
    "garbage to predict": (PREDICT, b"\xff" * 1000, INVALID),
    "many values to predict": (PREDICT, field(2, field(2, field(10, b"\1" * 40_000_000))), TOO_LARGE),
    "nothing to predict": (PREDICT, b"", NOT_FOUND),
    "a large small request": ("/inference.GRPCInferenceService/ModelReady", field(1, b"m" * 300_000), TOO_LARGE),
    "garbage to a small method": ("/inference.GRPCInferenceService/ModelReady", b"\xff" * 10, INVALID),
    "no such method": ("/inference.GRPCInferenceService/Nothing", b"", NOT_THERE),
    "no such service": ("/nothing.Nothing/Nothing", b"", NOT_THERE),
    "reflection": ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", b"", NOT_THERE),
}


def send(channel, path, data, **options):
    return channel.unary_unary(path)(data, timeout=60, **options)


def is_served(channel):
    answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(service_pb2.ModelInferRequest(**good()), timeout=60)
    return struct.unpack("<4f", answer.raw_output_contents[0]) == (2, 4, 6, 8)


def check(channel, path, data, code):
    with pytest.raises(grpc.RpcError) as refused:
        send(channel, path, data)
    assert refused.value.code() == code, refused.value.details()
    assert len(refused.value.details()) < 1000
    for leak in ("/work", "/home", "/tmp", ".cc", "std::", "exception", "openvino"):
        assert leak not in refused.value.details().lower()
    assert is_served(channel)


@pytest.mark.parametrize("name", ROWS)
def test_requests(channel, name):
    request, code = ROWS[name]
    check(channel, INFER, service_pb2.ModelInferRequest(**request).SerializeToString(), code)


@pytest.mark.parametrize("name", BYTES)
def test_bytes(channel, name):
    check(channel, *BYTES[name])


def test_the_largest_message_is_taken(channel):
    head = service_pb2.ModelInferRequest(model_name="identity_fp32", inputs=[
        {"name": "x", "datatype": "FP32", "shape": [1, 2**24 - 64]}]).SerializeToString()
    data = head + field(7, bytes(4 * (2**24 - 64)))
    assert len(data) < 2**26
    answer = service_pb2.ModelInferResponse.FromString(send(channel, INFER, data))
    assert len(answer.raw_output_contents[0]) == 4 * (2**24 - 64)


def test_garbage_in_a_stream_is_an_answer_and_the_stream_goes_on(channel):
    requests = [b"\xff" * 20, service_pb2.ModelInferRequest(**good(id="g")).SerializeToString()]
    answers = [service_pb2.ModelStreamInferResponse.FromString(answer)
               for answer in channel.stream_stream(STREAM)(iter(requests), timeout=60)]
    assert sorted((bool(a.error_message), a.infer_response.id) for a in answers) == [(False, "g"), (True, "")]


def test_a_message_that_is_too_large_ends_the_stream(channel):
    with pytest.raises(grpc.RpcError) as refused:
        list(channel.stream_stream(STREAM)(iter([field(7, bytes(2**26))]), timeout=60))
    assert refused.value.code() == TOO_LARGE
    assert is_served(channel)


def test_compressed_messages_are_refused(server, channel):
    with channel_of(server) as own:
        with pytest.raises(grpc.RpcError) as refused:
            send(own, INFER, service_pb2.ModelInferRequest(**good()).SerializeToString(), compression=grpc.Compression.Gzip)
        assert refused.value.code() == NOT_THERE
    assert is_served(channel)


def test_a_call_without_a_message(channel):
    with pytest.raises(grpc.RpcError) as refused:
        channel.stream_unary(INFER)(iter([]), timeout=60)
    assert refused.value.code() == INVALID
    assert is_served(channel)


def test_headers_that_are_too_large(server, channel):
    with channel_of(server) as own:
        with pytest.raises(grpc.RpcError) as refused:
            send(own, INFER, b"", metadata=[("x", "y" * 100_000)])
        assert refused.value.code() in (TOO_LARGE, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
    assert is_served(channel)


def test_a_flood_of_pings_ends_the_connection_only(server, channel):
    with socket.create_connection((server.host, server.grpc_port), timeout=30) as peer:
        peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        ping = b"\0\0\x08\x06\0\0\0\0\0" + b"12345678"
        received = peer.recv(65536)
        for _ in range(100):
            peer.sendall(ping)  # each is answered, until one is too many
            answer = peer.recv(65536)
            received += answer
            if not answer or b"too_many_pings" in received:
                break
    assert b"too_many_pings" in received
    assert is_served(channel)
