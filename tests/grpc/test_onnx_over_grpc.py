"""A sample of ONNX's own node tests through the gRPC port: the same pass and the same fail as in a process without a server.
Needs MILLRACE_DATA."""
import os
import tarfile

import grpc
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

import test_onnx_conformance as http
from conftest import data_folder
from onnx_cases import assigned, cases_in

EVERY = 16 if os.environ.get("MILLRACE_SLOW") else 64


def infer(server, session, model, inputs):
    """As test_onnx_conformance.infer, by the official gRPC client's messages."""
    with triton.InferenceServerClient(f"{server.host}:{server.grpc_port}") as client:
        try:
            wanted = [tensor.name for tensor in client.get_model_metadata(model).inputs]
            request = triton.service_pb2.ModelInferRequest(model_name=model)
            for name, array in assigned(inputs, wanted).items():
                datatype, data = http.packed(array)
                request.inputs.add(name=name, datatype=datatype, shape=array.shape)
                request.raw_input_contents.append(data)
            answer = client._client_stub.ModelInfer(request, timeout=60)
        except grpc.RpcError as error:
            raise InferenceServerException(error.details()) from None
        return [http.unpacked({"datatype": output.datatype, "shape": list(output.shape)}, data)
                for output, data in zip(answer.outputs, answer.raw_output_contents, strict=True)]


def test_the_same_pass_and_the_same_fail(tmp_path, monkeypatch):
    folder = tmp_path / "onnx"
    for archive in sorted(data_folder("E_conformance", "onnx_backend_tests").glob("*.tar.xz")):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    cases = cases_in(folder)
    names = list(cases)[::EVERY]
    (models := tmp_path / "models").mkdir()
    (work := tmp_path / "work").mkdir()
    theirs = http.in_process(names, folder, work)
    monkeypatch.setattr(http, "infer", infer)
    ours = http.served(names, cases, models)
    expected = {name: "not loaded" if verdict == "inexpressible" else verdict for name, verdict in theirs.items()}
    differ = {name: (ours[name], expected[name]) for name in names if ours[name] != expected[name]}
    assert not differ
    assert sum(verdict == "pass" for verdict in ours.values()) > 0.5 * len(names)
