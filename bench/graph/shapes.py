"""Graphs in the shapes of ResNet-50 and MobileNetV2, random weights, as ONNX: f32, or int8 by quantise/dequantise pairs.

Shapes: He et al. 2015 (bottlenecks 3-4-6-3, stride in the 3x3), Sandler et al. 2018 (table 2). Batch norms are folded, as exporters do.
Pictures come in as bytes, [n, 3, 224, 224] uint8, and are scaled in the graph: what a server would be sent.
"""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 224
CLASSES = 1000
INT8_SCALE_IN = 4 / 127  # activations of random networks stay within about ±4 with the weights below


class Builder:
    """Appends nodes to one graph; `x` is always the name of the tensor that was made last."""

    def __init__(self, int8):
        self.int8, self.nodes, self.constants, self.count = int8, [], [], 0
        self.random = np.random.default_rng(7)

    def name(self, what):
        self.count += 1
        return f"{what}_{self.count}"

    def constant(self, value, what="c"):
        name = self.name(what)
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op, inputs, **attributes):
        out = self.name(op.lower())
        self.nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def quantised(self, x, low=-128):
        """The tensor as int8 sees it; a no-op in f32 graphs."""
        if not self.int8:
            return x
        zero, scale = np.int8(0), np.float32(INT8_SCALE_IN)
        if low == 0:
            zero, scale = np.uint8(0), np.float32(INT8_SCALE_IN / 2)
        pair = [self.constant(scale, "scale"), self.constant(zero, "zero")]
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, *pair]), *pair])

    def weight(self, shape, fan_in):
        values = self.random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        if not self.int8:
            return self.constant(values, "w")
        scale = (np.abs(values).reshape(shape[0], -1).max(1) / 127).astype(np.float32)
        steps = np.round(values / scale.reshape(-1, *[1] * (len(shape) - 1))).astype(np.int8)
        zero = self.constant(np.zeros(shape[0], np.int8), "zero")
        return self.node("DequantizeLinear", [self.constant(steps, "w"), self.constant(scale, "scale"), zero], axis=0)

    def convolution(self, x, inputs, outputs, kernel, stride=1, groups=1, act=None, signed=False):
        fan_in = inputs // groups * kernel * kernel
        w = self.weight((outputs, inputs // groups, kernel, kernel), fan_in)
        bias = self.constant(np.zeros(outputs, np.float32), "b")
        y = self.node("Conv", [self.quantised(x, -128 if signed else 0), w, bias], kernel_shape=[kernel, kernel],
                      strides=[stride, stride], pads=[kernel // 2] * 4, group=groups)
        if act == "relu":
            return self.node("Relu", [y])
        if act == "relu6":
            return self.node("Clip", [y, self.constant(np.float32(0)), self.constant(np.float32(6))])
        return y

    def scaled_picture(self):
        x = self.node("Cast", ["picture"], to=TensorProto.FLOAT)
        x = self.node("Sub", [x, self.constant(np.float32([123.7, 116.3, 103.5]).reshape(1, 3, 1, 1))])
        return self.node("Mul", [x, self.constant(np.float32([1 / 58.4, 1 / 57.1, 1 / 57.4]).reshape(1, 3, 1, 1))])

    def classifier(self, x, width):
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        w = self.weight((CLASSES, width), width)
        return self.node("Gemm", [self.quantised(x, 0), w, self.constant(np.zeros(CLASSES, np.float32))], transB=1)

    def save(self, last, path):
        self.nodes.append(helper.make_node("Identity", [last], ["scores"]))
        graph = helper.make_graph(
            self.nodes, "graph", [helper.make_tensor_value_info("picture", TensorProto.UINT8, ["n", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", CLASSES])], initializer=self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def bottleneck(g, x, inputs, width, stride):
    outputs = 4 * width
    y = g.convolution(x, inputs, width, 1, act="relu")
    y = g.convolution(y, width, width, 3, stride, act="relu")
    y = g.convolution(y, width, outputs, 1)
    if stride != 1 or inputs != outputs:
        x = g.convolution(x, inputs, outputs, 1, stride)
    half = g.constant(np.float32(0.5))  # keeps random activations from growing layer by layer
    return g.node("Relu", [g.node("Mul", [g.node("Add", [g.quantised(y), g.quantised(x)]), half])])


def resnet50(path, int8):
    g = Builder(int8)
    x = g.convolution(g.scaled_picture(), 3, 64, 7, 2, act="relu", signed=True)
    x = g.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    inputs = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            x = bottleneck(g, x, inputs, width, stride if block == 0 else 1)
            inputs = 4 * width
    g.save(g.classifier(x, inputs), path)


def inverted_residual(g, x, inputs, outputs, expansion, stride):
    y, width = x, inputs * expansion
    if expansion != 1:
        y = g.convolution(y, inputs, width, 1, act="relu6", signed=True)
    y = g.convolution(y, width, width, 3, stride, groups=width, act="relu6")
    y = g.convolution(y, width, outputs, 1)
    return g.node("Add", [g.quantised(x), g.quantised(y)]) if stride == 1 and inputs == outputs else y


def mobilenet_v2(path, int8):
    g = Builder(int8)
    x, inputs = g.convolution(g.scaled_picture(), 3, 32, 3, 2, act="relu6", signed=True), 32
    for expansion, outputs, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                               (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(blocks):
            x = inverted_residual(g, x, inputs, outputs, expansion, stride if block == 0 else 1)
            inputs = outputs
    x = g.convolution(x, inputs, 1280, 1, act="relu6", signed=True)
    g.save(g.classifier(x, 1280), path)


def identity(path, int8=False):
    """As little work as a graph can be."""
    f32 = TensorProto.FLOAT
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", [helper.make_tensor_value_info("x", f32, ["n", 4])],
                              [helper.make_tensor_value_info("y", f32, ["n", 4])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def wide_mlp(path, int8=False, width=2048, layers=3):
    """Three products whose weights do not fit a cache: a row alone is bound by memory, so batches pay."""
    g = Builder(False)
    x = "x"
    for _ in range(layers):
        x = g.node("Relu", [g.node("MatMul", [x, g.weight((width, width), width)])])
    g.nodes.append(helper.make_node("Identity", [x], ["y"]))
    f32 = TensorProto.FLOAT
    graph = helper.make_graph(g.nodes, "graph", [helper.make_tensor_value_info("x", f32, ["n", width])],
                              [helper.make_tensor_value_info("y", f32, ["n", width])], initializer=g.constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def gigabyte(path, int8=False):
    """2**30 bytes of weights: what takes long to load."""
    wide_mlp(path, width=4096, layers=16)


SHAPES = {"wide-mlp": wide_mlp, "gigabyte": gigabyte, "resnet50": resnet50, "mobilenet-v2": mobilenet_v2, "identity": identity}


class GraphFile:
    """An ONNX file of one of the shapes; `path()` makes it."""

    def __init__(self, setup, shape, kind="f32"):
        self.setup, self.shape, self.kind = setup, shape, kind

    def path(self):
        path = self.setup.models / f"{self.shape}-{self.kind}.onnx"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            SHAPES[self.shape](part, self.kind == "int8")
            part.rename(path)
        return path
