"""Small ONNX models, made here, whose answers are known by arithmetic."""
import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {  # KServe's name: (ONNX type, numpy type)
    "BOOL": (TensorProto.BOOL, np.bool_), "UINT8": (TensorProto.UINT8, np.uint8),
    "UINT16": (TensorProto.UINT16, np.uint16), "UINT32": (TensorProto.UINT32, np.uint32),
    "UINT64": (TensorProto.UINT64, np.uint64), "INT8": (TensorProto.INT8, np.int8),
    "INT16": (TensorProto.INT16, np.int16), "INT32": (TensorProto.INT32, np.int32),
    "INT64": (TensorProto.INT64, np.int64), "FP16": (TensorProto.FLOAT16, np.float16),
    "BF16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16), "FP32": (TensorProto.FLOAT, np.float32),
    "FP64": (TensorProto.DOUBLE, np.float64),
}
NUM_CLASSES = 5
SLOW_WIDTH = 1024


def tensor(name, dtype, shape):
    return helper.make_tensor_value_info(name, dtype, shape)


def save(folder, name, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path = folder / name / "1"
    path.mkdir(parents=True)
    onnx.save(model, str(path / "model.onnx"))


def constant(name, value):
    return numpy_helper.from_array(value, name)


def add_constant(folder, name, value, version=1, file="model.onnx", fixed=False):
    """y = x + value, FP32 [rows, 2]; which version answered shows in the numbers."""
    shape = [2] if fixed else ["n", 2]
    graph = helper.make_graph([helper.make_node("Add", ["x", "c"], ["y"])], name, [tensor("x", TensorProto.FLOAT, shape)],
                              [tensor("y", TensorProto.FLOAT, shape)], initializer=[constant("c", np.float32(value))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = folder / name / str(version)
    path.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path / (file + ".part")))
    (path / (file + ".part")).rename(path / file)


def accumulator(folder, name, batched=True, work=0):
    """total = state + x + 100 × START, and the next state is total; ID comes out as it went in. `work` products of
    SLOW_WIDTH² that come to nothing make it slow."""
    f32, i64 = TensorProto.FLOAT, TensorProto.INT64
    shape = ["n", 1] if batched else [1]
    matrices = [constant("wide", np.ones((1, SLOW_WIDTH), np.float32)), constant("narrow", np.zeros((SLOW_WIDTH, 1), np.float32)),
                constant("square", np.eye(SLOW_WIDTH, dtype=np.float32))]
    products = ["wide"] + ["square"] * work + ["narrow"] if work > 0 else []
    steps = ["x"] + [f"h{i}" for i in range(len(products))]
    busy = [helper.make_node("MatMul", [steps[i], matrix], [steps[i + 1]]) for i, matrix in enumerate(products)]
    save(folder, name, busy +
         [helper.make_node("Mul", ["START", "hundred"], ["s"]), helper.make_node("Add", ["x", "STATE_IN"], ["a"]),
          helper.make_node("Add", ["a", "s"], ["b"]), helper.make_node("Add", ["b", steps[-1] if work > 0 else "none"], ["total"]),
          helper.make_node("Identity", ["total"], ["STATE_OUT"]), helper.make_node("Add", ["ID", "nothing"], ["id"])],
         [tensor("x", f32, shape), tensor("STATE_IN", f32, shape), tensor("START", f32, shape), tensor("ID", i64, shape)],
         [tensor("total", f32, shape), tensor("STATE_OUT", f32, shape), tensor("id", i64, shape)],
         [constant("hundred", np.float32(100)), constant("nothing", np.int64(0)), constant("none", np.float32(0))] +
         (matrices if work > 0 else []))


def make_all(folder):
    """The models folder of these suites. Axis 0 is open ('n') wherever a batch is meant."""
    f32 = TensorProto.FLOAT
    for datatype, (onnx_type, _) in TYPES.items():
        save(folder, f"identity_{datatype.lower()}", [helper.make_node("Identity", ["x"], ["y"])],
             [tensor("x", onnx_type, ["n", "m"])], [tensor("y", onnx_type, ["n", "m"])])
    save(folder, "strings", [helper.make_node("Identity", ["x"], ["y"])],
         [tensor("x", TensorProto.STRING, ["n"])], [tensor("y", TensorProto.STRING, ["n"])])
    save(folder, "add_sub",
         [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
         [tensor("a", f32, ["n", 4]), tensor("b", f32, ["n", 4])],
         [tensor("sum", f32, ["n", 4]), tensor("difference", f32, ["n", 4])])
    save(folder, "classes", [helper.make_node("Mul", ["x", "two"], ["scores"])],
         [tensor("x", f32, ["n", NUM_CLASSES])], [tensor("scores", f32, ["n", NUM_CLASSES])],
         [constant("two", np.float32(2))])
    save(folder, "fixed", [helper.make_node("Relu", ["x"], ["y"])],
         [tensor("x", f32, [2, 3])], [tensor("y", f32, [2, 3])])
    save(folder, "mixing",  # rows depend on each other: never merged
         [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1), helper.make_node("Sub", ["x", "mean"], ["y"])],
         [tensor("x", f32, ["n", 2])], [tensor("y", f32, ["n", 2])])
    save(folder, "root", [helper.make_node("Sqrt", ["x"], ["y"])],  # NaN below zero
         [tensor("x", f32, ["n", 2])], [tensor("y", f32, ["n", 2])])
    save(folder, "open_sizes", [helper.make_node("MatMul", ["a", "b"], ["y"])],
         [tensor("a", f32, ["i", "j"]), tensor("b", f32, ["k", "l"])], [tensor("y", f32, ["i", "l"])])
    generator = np.random.default_rng(1)
    weights, nodes, last = [], [], "x"
    for layer in range(12):
        matrix = generator.standard_normal((SLOW_WIDTH, SLOW_WIDTH)) / np.sqrt(SLOW_WIDTH)
        weights.append(constant(f"w{layer}", matrix.astype(np.float32)))
        out = "y" if layer == 11 else f"h{layer}"
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [out]))
        last = out
    save(folder, "slow", nodes, [tensor("x", f32, ["n", SLOW_WIDTH])], [tensor("y", f32, ["n", SLOW_WIDTH])], weights)
    (folder / "broken").mkdir()
    (folder / "broken" / "model.onnx").write_bytes(b"this is no graph")
    return folder
