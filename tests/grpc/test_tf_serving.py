"""TensorFlow Serving's gRPC protocol, by stubs made from our own .proto files. Real SavedModels where there is test data."""
import base64

import grpc
import numpy as np
import pytest

from conftest import channel_of, data_folder
from live_server import serving
from saved_models import make_models, recorded_examples, recorded_features, x_example

F32 = 1  # tensorflow.DT_FLOAT


def request_of(tf, model, inputs, version=None, **spec):
    tensorflow, serving_pb2, _ = tf
    request = serving_pb2.PredictRequest()
    request.model_spec.name = model
    if version is not None:
        request.model_spec.version.value = version
    for key, value in spec.items():
        setattr(request.model_spec, key, value)
    for name, (shape, fields) in inputs.items():
        request.inputs[name].CopyFrom(tensorflow.TensorProto(
            dtype=F32, tensor_shape={"dim": [{"size": size} for size in shape]}, **fields))
    return request


def values(tensor):
    return np.array(tensor.float_val, np.float32).reshape([dim.size for dim in tensor.tensor_shape.dim])


def test_values_and_content(tf, channel):
    stub = tf[2].PredictionServiceStub(channel)
    a = np.float32([[1, 2, 3, 4]])
    answer = stub.Predict(request_of(tf, "add_sub", {"a": ((1, 4), {"tensor_content": a.tobytes()}),
                                                     "b": ((1, 4), {"float_val": [10]})}, version=1))
    assert (values(answer.outputs["sum"]) == a + 10).all() and (values(answer.outputs["difference"]) == a - 10).all()
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("add_sub", 1)
    chosen = request_of(tf, "add_sub", {"a": ((1, 4), {}), "b": ((1, 4), {"float_val": [1, 2, 3, 4]})})
    chosen.output_filter.append("sum")
    assert list(stub.Predict(chosen).outputs) == ["sum"]


def test_refusals(tf, channel):
    stub = tf[2].PredictionServiceStub(channel)
    good = {"a": ((1, 4), {}), "b": ((1, 4), {})}
    for request, code in [
            (request_of(tf, "none", good), grpc.StatusCode.NOT_FOUND),
            (request_of(tf, "add_sub", good, version=7), grpc.StatusCode.NOT_FOUND),
            (request_of(tf, "add_sub", good, version=-2**63), grpc.StatusCode.NOT_FOUND),
            (request_of(tf, "add_sub", good, version_label="stable"), grpc.StatusCode.NOT_FOUND),
            (request_of(tf, "add_sub", good, signature_name="other"), grpc.StatusCode.INVALID_ARGUMENT),
            (request_of(tf, "add_sub", {"a": ((1, 4), {})}), grpc.StatusCode.INVALID_ARGUMENT),
            (request_of(tf, "add_sub", good | {"a": ((1, -4), {})}), grpc.StatusCode.INVALID_ARGUMENT),
            (request_of(tf, "add_sub", good | {"a": ((2**40, 4), {})}), grpc.StatusCode.INVALID_ARGUMENT),
            (request_of(tf, "add_sub", good | {"a": ((1, 4), {"float_val": [1] * 5})}), grpc.StatusCode.INVALID_ARGUMENT),
            (request_of(tf, "add_sub", good | {"a": ((1, 4), {"tensor_content": b"123"})}), grpc.StatusCode.INVALID_ARGUMENT)]:
        with pytest.raises(grpc.RpcError) as refused:
            stub.Predict(request)
        assert refused.value.code() == code, refused.value.details()


def test_metadata_and_status(tf, channel):
    _, pb, stubs = tf
    request = pb.GetModelMetadataRequest(model_spec={"name": "add_sub"}, metadata_field=["signature_def"])
    answer = stubs.PredictionServiceStub(channel).GetModelMetadata(request)
    signatures = pb.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert {name: [dim.size for dim in info.tensor_shape.dim] for name, info in signature.inputs.items()} == {
        "a": [-1, 4], "b": [-1, 4]}
    status = stubs.ModelServiceStub(channel).GetModelStatus(pb.GetModelStatusRequest(model_spec={"name": "add_sub"}))
    assert [(one.version, one.state) for one in status.model_version_status] == [(1, pb.ModelVersionStatus.AVAILABLE)]
    failed = stubs.ModelServiceStub(channel).GetModelStatus(pb.GetModelStatusRequest(model_spec={"name": "broken"}))
    assert failed.model_version_status[0].state == pb.ModelVersionStatus.END
    assert failed.model_version_status[0].status.error_code != 0


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    source = data_folder("A_models", "tf_serving_testdata")
    models = make_models(tmp_path_factory.mktemp("saved") / "models", source)
    (models / "lite.tflite").symlink_to(source / "saved_model_half_plus_two_tflite" / "00000123" / "model.tflite")
    with serving(models) as own, channel_of(own) as channel:
        yield channel


def test_two_versions_of_a_saved_model(tf, recorded):
    _, pb, stubs = tf
    stub = stubs.PredictionServiceStub(recorded)
    x = {"x": ((3, 1), {"float_val": [1, 2, 5]})}
    for chosen, version, add in [({}, 124, 3), ({"version": 123}, 123, 2), ({"version": 124}, 124, 3),
                                 ({"version_label": "stable"}, 123, 2), ({"version_label": "canary"}, 124, 3)]:
        answer = stub.Predict(request_of(tf, "half_plus_two", x, **chosen))
        assert values(answer.outputs["y"]).tolist() == [[0.5 + add], [1 + add], [2.5 + add]]
        spec = answer.model_spec
        assert (spec.name, spec.version.value, spec.signature_name) == ("half_plus_two", version, "serving_default")
    for chosen in ({"version": 125}, {"version_label": "absent"}, {"version_label": "123"}):
        with pytest.raises(grpc.RpcError) as refused:
            stub.Predict(request_of(tf, "half_plus_two", x, **chosen))
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    status = stubs.ModelServiceStub(recorded)
    for spec, versions in [({}, [123, 124]), ({"version": {"value": 124}}, [124]), ({"version_label": "stable"}, [123])]:
        found = status.GetModelStatus(pb.GetModelStatusRequest(model_spec={"name": "half_plus_two", **spec}))
        assert sorted(one.version for one in found.model_version_status) == versions
        assert all(one.state == pb.ModelVersionStatus.AVAILABLE for one in found.model_version_status)


def test_signatures_of_a_saved_model(tf, recorded):
    _, pb, stubs = tf
    stub = stubs.PredictionServiceStub(recorded)
    answer = stub.Predict(request_of(tf, "half_plus_two", {"inputs": ((1, 1), {"float_val": [2]})}, version=123,
                                     signature_name="regress_x2_to_y3"))
    assert values(answer.outputs["outputs"]).item() == 4 and answer.model_spec.signature_name == "regress_x2_to_y3"
    about = stub.GetModelMetadata(pb.GetModelMetadataRequest(model_spec={"name": "half_plus_two", "version": {"value": 123}},
                                                             metadata_field=["signature_def"]))
    signatures = pb.SignatureDefMap()
    assert about.metadata["signature_def"].Unpack(signatures)
    methods = {name: signature.method_name.rsplit("/")[-1] for name, signature in signatures.signature_def.items()}
    assert methods == {"serving_default": "predict", "classify_x_to_y": "classify", "regress_x_to_y": "regress",
                       "regress_x_to_y2": "regress", "regress_x2_to_y3": "regress"}


def test_other_forms_of_half_plus_two(tf, recorded):
    stub = tf[2].PredictionServiceStub(recorded)
    lite = stub.Predict(request_of(tf, "lite", {"x": ((1, 1), {"float_val": [5]})}))
    assert values(lite.outputs["y"]).item() == 4.5
    functions = stub.Predict(request_of(tf, "functions", {"x": ((1,), {"float_val": [5]})}))
    assert values(functions.outputs["y"]).item() == 4.5


def examples_of(tf, *serialised):
    return {"example_list": {"examples": [tf[0].Example.FromString(one) for one in serialised]}}


def string_request(tf, model, name, strings, **spec):
    tensorflow, pb, _ = tf
    request = pb.PredictRequest(model_spec={"name": model, **spec})
    request.inputs[name].CopyFrom(tensorflow.TensorProto(dtype=tensorflow.DT_STRING, string_val=strings,
                                                         tensor_shape={"dim": [{"size": len(strings)}]}))
    return request


@pytest.mark.parametrize("model, version", [("half_plus_two", 123), ("functions", 123)])
def test_classify_and_regress(tf, recorded, model, version):
    _, pb, stubs = tf
    stub = stubs.PredictionServiceStub(recorded)
    spec = {"name": model, "version": {"value": version}}
    both = examples_of(tf, x_example(2), x_example(4))
    numbers = stub.Regress(pb.RegressionRequest(model_spec={**spec, "signature_name": "regress_x_to_y2"}, input=both))
    assert [one.value for one in numbers.result.regressions] == [4, 5]
    assert (numbers.model_spec.version.value, numbers.model_spec.signature_name) == (version, "regress_x_to_y2")
    classes = stub.Classify(pb.ClassificationRequest(model_spec={**spec, "signature_name": "classify_x_to_y"}, input=both))
    assert [[(one.label, one.score) for one in row.classes] for row in classes.result.classifications] == [[("", 3)], [("", 4)]]
    context = {"example_list_with_context": {"examples": [{}, tf[0].Example.FromString(x_example(8))],
                                             "context": tf[0].Example.FromString(x_example(6))}}
    numbers = stub.Regress(pb.RegressionRequest(model_spec={**spec, "signature_name": "regress_x_to_y"}, input=context))
    assert [one.value for one in numbers.result.regressions] == [5, 6]
    tasks = [{"model_spec": {**spec, "signature_name": name}, "method_name": "tensorflow/serving/" + method}
             for name, method in [("regress_x_to_y", "regress"), ("classify_x_to_y", "classify"), ("regress_x_to_y2", "regress")]]
    several = stub.MultiInference(pb.MultiInferenceRequest(tasks=tasks, input=both)).results
    assert [one.WhichOneof("result") for one in several] == ["regression_result", "classification_result", "regression_result"]
    assert [one.value for one in several[2].regression_result.regressions] == [4, 5]
    assert several[1].classification_result.classifications[1].classes[0].score == 4
    answer = stub.Predict(string_request(tf, model, "inputs", [x_example(2), x_example(4)], signature_name="regress_x_to_y",
                                         version={"value": version}))
    assert values(answer.outputs["outputs"]).tolist() == [[3], [4]]


def test_refused_examples(tf, recorded):
    _, pb, stubs = tf
    stub = stubs.PredictionServiceStub(recorded)
    spec = {"name": "half_plus_two", "version": {"value": 123}, "signature_name": "regress_x_to_y"}
    one = examples_of(tf, x_example(1))
    wrong_type = {"example_list": {"examples": [{"features": {"feature": {"x": {"int64_list": {"value": [1]}}}}}]}}
    code = grpc.StatusCode
    for method, request, status, says in [
            (stub.Regress, pb.RegressionRequest(model_spec=spec), code.INVALID_ARGUMENT, "'input' is empty"),
            (stub.Regress, pb.RegressionRequest(model_spec=spec, input=wrong_type), code.INVALID_ARGUMENT, "'x' has integers"),
            (stub.Regress, pb.RegressionRequest(model_spec=spec, input={"example_list": {"examples": [{}]}}), code.INVALID_ARGUMENT, "'x' is missing"),
            (stub.Regress, pb.RegressionRequest(model_spec={**spec, "signature_name": "absent"}, input=one), code.INVALID_ARGUMENT, "'absent' not found"),
            (stub.Regress, pb.RegressionRequest(model_spec={"name": "none"}, input=one), code.NOT_FOUND, "none"),
            (stub.Predict, string_request(tf, "half_plus_two", "inputs", [b"x"], signature_name="regress_x_to_y", version={"value": 123}),
             code.INVALID_ARGUMENT, "example 0")]:
        with pytest.raises(grpc.RpcError) as refused:
            method(request)
        assert refused.value.code() == status and says in refused.value.details(), refused.value.details()


def test_examples_as_tensorflow_parses_them(tf, tmp_path):
    _, pb, stubs = tf
    golden = recorded_examples(tmp_path)
    examples = [base64.b64decode(one) for one in golden["examples"]]
    with serving(tmp_path) as own, channel_of(own) as channel:
        stub = stubs.PredictionServiceStub(channel)
        scores = stub.Predict(string_request(tf, "parsed", "examples", examples)).outputs["scores"]
        assert values(scores).tolist() == golden["answers"]["serving_default"]
        sums = stub.Regress(pb.RegressionRequest(model_spec={"name": "parsed", "signature_name": "regress"}, input=examples_of(tf, *examples)))
        assert [[one.value] for one in sums.result.regressions] == golden["answers"]["regress"]
        for name, refused in golden["refused"].items():
            for one in refused:
                with pytest.raises(grpc.RpcError) as error:
                    stub.Predict(string_request(tf, "parsed", "examples", [base64.b64decode(one)]))
                assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
                assert name == "examples" or f"'{name}'" in error.value.details(), error.value.details()


def plain(tensor):
    """A tensor of strings, floats, integers or booleans, with strings as the goldens have them."""
    flat = [{"b64": base64.b64encode(one).decode()} for one in tensor.string_val] or list(
        tensor.float_val or tensor.int_val or tensor.int64_val or tensor.bool_val)
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array.reshape(shape).tolist()


def test_features_and_strings_as_tensorflow_answers(tf, tmp_path):
    golden = recorded_features(tmp_path)
    examples = [base64.b64decode(one) for one in golden["examples"]]
    with serving(tmp_path) as own, channel_of(own) as channel:
        stub = tf[2].PredictionServiceStub(channel)
        for signature, answer in golden["answers"].items():
            got = stub.Predict(string_request(tf, "features", "examples", examples, signature_name=signature)).outputs
            assert {name: plain(tensor) for name, tensor in got.items()} == answer, signature
        names = [base64.b64decode(one["b64"]) for one in golden["plain"]["greet"]["names"]]
        greeted = stub.Predict(string_request(tf, "features", "names", names, signature_name="greet")).outputs
        assert {name: plain(tensor) for name, tensor in greeted.items()} == golden["plain"]["greet"]["answer"]
        for name, signature in (("s", "dense"), ("r", "ragged")):
            with pytest.raises(grpc.RpcError, match=f"'{name}'") as error:
                stub.Predict(string_request(tf, "features", "examples", [base64.b64decode(golden["refused"][name][0])],
                                            signature_name=signature))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
