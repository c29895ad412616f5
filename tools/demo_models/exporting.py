"""A trained network as ONNX. Batch norms go into the convolutions before them; a detector's graph ends in boxes and scores."""
import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from .glyphs import LABELS
from .layers import BATCH_NORM_EPSILON, Block, Linear, Pool
from .networks import GRID, MAX_LOG_SIDE, STRIDE, places
from .scenes import CLASSIFY_SIZE, DETECT_SIZE

OPSET = 13


class Graph:
    """Nodes and constants as they are added; each `add` gives the name of its output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op, inputs, output=None, **attributes):
        output = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def convolution(self, x, weight, bias, **attributes):
        return self.add("Conv", [x, self.constant(weight), self.constant(bias)], **attributes)

    def block(self, x, block):
        """The block as it is after training: its running figures are those that count."""
        c = block.convolution
        factor = block.gain / np.sqrt(block.variance + BATCH_NORM_EPSILON)
        weight = (c.weight * factor).reshape(3, 3, c.inputs, c.outputs).transpose(3, 2, 0, 1)
        y = self.convolution(x, weight, block.shift - block.mean * factor, kernel_shape=[3, 3], pads=[c.dilation] * 4,
                             strides=[c.stride] * 2, dilations=[c.dilation] * 2)
        return self.add("Relu", [self.add("Add", [y, x]) if block.residual else y])

    def model(self, name, size, outputs, words):
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, size, size])
        out = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", *shape]) for n, shape in outputs.items()]
        graph = helper.make_graph(self.nodes, name, [image], out, initializer=self.constants, doc_string=words)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="tools/demo_models")
        checker.check_model(model, full_check=True)
        return model


def body(graph, network):
    x = "image"
    for layer in network.layers:
        if isinstance(layer, Block):
            x = graph.block(x, layer)
        elif isinstance(layer, Pool):
            x = graph.add("Flatten", [graph.add("GlobalAveragePool", [x])])
    assert isinstance(network.layers[-1], Linear)
    return x, network.layers[-1]


def export_classifier(network):
    graph = Graph()
    x, last = body(graph, network)
    graph.add("Gemm", [x, graph.constant(last.weight), graph.constant(last.bias)], "logits")
    return graph.model("demo-classify", CLASSIFY_SIZE, {"logits": [len(LABELS)]}, "Names one digit or shape. Logits in the order of labels.txt.")


def export_detector(network):
    graph = Graph()
    x, last = body(graph, network)
    count = GRID * GRID
    raw = graph.convolution(x, last.weight.T[:, :, None, None], last.bias, kernel_shape=[1, 1])
    rows = graph.add("Reshape", [graph.add("Transpose", [raw], perm=[0, 2, 3, 1]), graph.constant(np.array([0, count, 4 + len(LABELS)]))])

    def part(start, end):
        return graph.add("Slice", [rows, *(graph.constant(np.array([v])) for v in (start, end, 2))])
    graph.add("Sigmoid", [part(4, 4 + len(LABELS))], "scores")
    limits = [graph.constant(np.float32(v)) for v in (-MAX_LOG_SIDE, MAX_LOG_SIDE, 0, DETECT_SIZE)]
    reach = graph.add("Exp", [graph.add("Clip", [part(0, 4), *limits[:2]])])
    reach = graph.add("Mul", [reach, graph.constant(np.array([-STRIDE, -STRIDE, STRIDE, STRIDE], dtype=np.float32))])
    corners = graph.add("Add", [reach, graph.constant(np.tile(places().reshape(1, count, 2), 2))])
    graph.add("Clip", [corners, *limits[2:]], "boxes")
    return graph.model("demo-detect", DETECT_SIZE, {"boxes": [count, 4], "scores": [count, len(LABELS)]},
                       "Finds digits and shapes. boxes: x1 y1 x2 y2 in pixels of the input; scores: of each class of labels.txt; no suppression yet.")
