"""The ONNX backend tests as data: models, inputs, expected outputs; and OpenVINO asked in this process about each.

usage: onnx_cases.py FOLDER NAMES_FILE OUT      asks OpenVINO about the named cases, writes {name: verdict} as JSON
"""
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper

MAX_RANK = 8
RTOL, ATOL = 1e-3, 1e-5


def read_tensor(path):
    """The array of a TensorProto file; None where the file is a sequence or an optional."""
    proto = onnx.TensorProto()
    try:
        proto.ParseFromString(path.read_bytes())
        array = numpy_helper.to_array(proto)
    except Exception:
        return None
    return array if proto.data_type else None


def cases_in(folder):
    """{name: folder} of every test, in a stable order."""
    return {model.parent.name: model.parent for model in sorted(folder.glob("*/*/model.onnx"))}


def read_case(folder):
    """[(inputs by name, expected outputs)], or None where a value is no tensor."""
    graph = onnx.load(str(folder / "model.onnx")).graph
    names = [value.name for value in graph.input]
    sets = []
    for data in sorted(folder.glob("test_data_set_*")):
        inputs = [read_tensor(data / f"input_{i}.pb") for i in range(len(list(data.glob("input_*.pb"))))]
        outputs = [read_tensor(data / f"output_{i}.pb") for i in range(len(list(data.glob("output_*.pb"))))]
        if any(array is None for array in inputs + outputs):
            return None
        sets.append((dict(zip(names, inputs)), outputs))
    return sets


def equal(got, expected):
    """As ONNX's own runner compares: shape, type, values."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return False
    if expected.dtype.kind in "OUS":
        as_text = lambda a: [v.decode() if isinstance(v, bytes) else str(v) for v in a.reshape(-1)]
        return as_text(got) == as_text(expected)
    if got.dtype != expected.dtype:
        return False
    if expected.dtype.kind in "biu":
        return bool((got == expected).all())
    return bool(np.allclose(got.astype(np.float64), expected.astype(np.float64), rtol=RTOL, atol=ATOL, equal_nan=True))


def assigned(inputs, names):
    """{the runtime's name: array}. OpenVINO renames an input whose only operator falls away: then the position counts."""
    if not set(names) <= set(inputs) and len(names) == len(inputs):
        return dict(zip(names, inputs.values()))
    return {name: array for name, array in inputs.items() if name in names}


def verdict_of(sets, run):
    """'pass', 'wrong' or 'error'; `run` maps inputs by name to outputs in order."""
    for inputs, expected in sets:
        try:
            outputs = run(inputs)
        except Exception:
            return "error"
        if len(outputs) < len(expected) or not all(map(equal, outputs, expected)):
            return "wrong"
    return "pass"


def in_process(core, folder):
    import openvino as ov
    known = {ov.Type.boolean, ov.Type.u8, ov.Type.u16, ov.Type.u32, ov.Type.u64, ov.Type.i8, ov.Type.i16, ov.Type.i32,
             ov.Type.i64, ov.Type.f16, ov.Type.bf16, ov.Type.f32, ov.Type.f64, ov.Type.string}
    sets = read_case(folder)
    if sets is None:
        return "no tensors"
    try:
        compiled = core.compile_model(str(folder / "model.onnx"), "CPU")
    except Exception:
        return "not loaded"
    ports = compiled.inputs + compiled.outputs
    if any(port.get_element_type() not in known for port in ports):
        return "inexpressible"  # 4-bit integers and 8-bit floats have no name in KServe
    if any(port.get_partial_shape().rank.is_static and len(port.get_partial_shape()) > MAX_RANK for port in ports):
        return "inexpressible"
    if any(port.get_element_type() == ov.Type.string for port in compiled.outputs):
        return "inexpressible"  # the device frees them twice; none of the cases is loaded
    wanted = {port.get_node().get_friendly_name(): port for port in compiled.inputs}

    def run(inputs):
        request = compiled.create_infer_request()
        for name, array in assigned(inputs, list(wanted)).items():
            request.set_tensor(wanted[name], tensor_of(ov, array))
        request.infer()
        return [array_of(request.get_output_tensor(i)) for i in range(len(compiled.outputs))]

    return verdict_of(sets, run)


def tensor_of(ov, array):
    if array.dtype.kind in "OUS":
        return ov.Tensor(array.astype(str))
    if array.dtype.name == "bfloat16":
        tensor = ov.Tensor(ov.Type.bf16, list(array.shape))
        tensor.data[...] = array.view(np.uint16).view(tensor.data.dtype).reshape(tensor.data.shape)
        return tensor
    return ov.Tensor(np.array(array, copy=True, order="C"))


def array_of(tensor):
    import ml_dtypes
    if tensor.get_element_type().get_type_name() == "string":
        return np.array(tensor.str_data)
    data = np.array(tensor.data, copy=True)
    if tensor.get_element_type().get_type_name() == "bf16":
        return data.view(ml_dtypes.bfloat16).reshape(tuple(tensor.shape))
    return data.reshape(tuple(tensor.shape))


def main():
    import openvino as ov
    folder, names, out = map(pathlib.Path, sys.argv[1:])
    cases, core, verdicts = cases_in(folder), ov.Core(), {}
    for name in json.loads(names.read_text()):
        verdicts[name] = in_process(core, cases[name])
    out.write_text(json.dumps(verdicts))


if __name__ == "__main__":
    main()
