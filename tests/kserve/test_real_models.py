"""Real networks with recorded answers, and TensorFlow's formats. Needs MILLRACE_DATA."""
import numpy as np
import onnx
import pytest
import tritonclient.http as triton
from onnx import numpy_helper

from conftest import client_of, data_folder
from live_server import serving


def read(path):
    proto = onnx.TensorProto()
    proto.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(proto)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    source = data_folder("A_models")
    models = tmp_path_factory.mktemp("real")
    for name, path in {
            "squeezenet.onnx": "derived_squeezenet1.1_fp32_onnx/squeezenet1.1_fp32.onnx",
            "resnet20.onnx": "derived_resnet_cifar10_onnx/resnet20_cifar10.onnx",
            "mnist.onnx": "onnx_mnist/mnist-8.onnx",
            "external": "onnx_mnist/external_data",
            "half_plus_two.tflite": "tf_serving_testdata/saved_model_half_plus_two_tflite/00000123/model.tflite",
            "half_plus_two_constant": "tf_serving_testdata/saved_model_half_plus_two_tf2_cpu"}.items():
        (models / name).symlink_to(source / path)
    with serving(models, "--precision", "exact") as server, client_of(server) as made:
        yield made


def infer(client, model, name, array, output):
    tensor = triton.InferInput(name, list(array.shape), "FP32")
    tensor.set_data_from_numpy(np.ascontiguousarray(array))
    return client.infer(model, [tensor], outputs=[triton.InferRequestedOutput(output)]).as_numpy(output)


def test_squeezenet_recorded_answers(client):
    folder = data_folder("A_models", "derived_squeezenet1.1_fp32_onnx")
    sets = [(read(s / "input_0.pb"), read(s / "output_0.pb")) for s in sorted(folder.glob("test_data_set_*"))]
    assert len(sets) == 3
    for image, logits in sets:
        got = infer(client, "squeezenet", "data", image, "logits")
        assert got.argmax() == logits.argmax()
        assert np.abs(got - logits).max() < 1e-3
    together = infer(client, "squeezenet", "data", np.concatenate([image for image, _ in sets]), "logits")
    assert (together.argmax(axis=1) == [logits.argmax() for _, logits in sets]).all()
    assert client.get_model_config("squeezenet")["max_batch_size"] > 1


def test_the_versions_and_formats_found(client):
    assert client.get_model_metadata("half_plus_two_constant")["versions"] == ["123"]
    assert client.get_model_metadata("half_plus_two_constant")["platform"] == "openvino_tensorflow"
    assert client.get_model_metadata("half_plus_two")["platform"] == "openvino_tflite"
    assert client.get_model_config("resnet20")["max_batch_size"] > 1
    assert client.get_model_config("mnist")["max_batch_size"] == 0, "its batch is fixed at 1"


def test_tflite_half_plus_two(client):
    for x in (0.0, 1.0, -4.0):
        assert infer(client, "half_plus_two", "x", np.float32([[x]]), "y").item() == x / 2 + 2


def test_external_data_is_read(client):
    assert client.is_model_ready("external")

