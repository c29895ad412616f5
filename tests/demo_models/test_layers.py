"""Gradients against finite differences in 64 bits; the convolution against ONNX's reference implementation."""
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from demo_models import networks
from demo_models.glyphs import LABELS
from demo_models.layers import Block, Convolution, Linear, Network, Optimiser, Pool, orthogonal

STEP = 1e-6


def widen(layer):
    """The layer's parameters as 64-bit floats."""
    for holder, names in ((layer, ("gain", "shift", "weight", "bias")), (getattr(layer, "convolution", None), ("weight",))):
        for name in names:
            if hasattr(holder, name):
                setattr(holder, name, getattr(holder, name).astype(np.float64))
    return layer


def slope(function, array, index):
    old = array[index]
    array[index] = old + STEP
    above = function()
    array[index] = old - STEP
    below = function()
    array[index] = old
    return (above - below) / (2 * STEP)


def check(function, array, gradient, rng, places=12):
    for _ in range(places):
        index = tuple(rng.integers(size) for size in array.shape)
        assert gradient[index] == pytest.approx(slope(function, array, index), rel=1e-4, abs=1e-6), index


CASES = {
    "block": lambda rng: (Block(3, 4, rng), (2, 6, 5, 3)),
    "stride": lambda rng: (Block(3, 4, rng, stride=2), (2, 6, 8, 3)),
    "odd": lambda rng: (Block(3, 4, rng, stride=2), (2, 7, 5, 3)),
    "dilation": lambda rng: (Block(3, 4, rng, dilation=2), (2, 6, 7, 3)),
    "residual": lambda rng: (Block(4, 4, rng, dilation=2, residual=True), (2, 5, 6, 4)),
    "linear": lambda rng: (Linear(4, 3, rng, bias=[0.1, 0.2, 0.3]), (2, 3, 3, 4)),
    "pool": lambda rng: (Pool(), (2, 3, 4, 5)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_of_a_layer(name):
    rng = np.random.default_rng(1)
    layer, shape = CASES[name](rng)
    widen(layer)
    x = rng.standard_normal(shape)
    out, saved = layer.forward(x, train=True)
    pull = rng.standard_normal(out.shape)

    def loss():
        return (layer.forward(x, train=True)[0] * pull).sum()
    of_input, of_parameters = layer.backward(pull.copy(), saved)
    check(loss, x, of_input, rng)
    for i, parameter in enumerate(layer.parameters):
        if i not in layer.running:
            check(loss, parameter, of_parameters[i], rng)


def test_gradient_of_the_classifier_s_loss():
    rng = np.random.default_rng(2)
    logits, labels = rng.standard_normal((5, len(LABELS))), rng.integers(len(LABELS), size=5)
    _, gradient, right = networks.classify_loss(logits, labels)
    check(lambda: networks.classify_loss(logits, labels)[0], logits, gradient, rng, 30)
    assert right == (logits.argmax(axis=1) == labels).sum()


def test_gradient_of_the_detector_s_loss():
    rng = np.random.default_rng(3)
    raw = rng.standard_normal((2, networks.GRID, networks.GRID, 4 + len(LABELS)))
    boxes = np.zeros((2, 3, 4), dtype=np.float32)
    boxes[0, 0], boxes[0, 1], boxes[1, 0] = [10, 20, 60, 44], [70, 70, 90, 120], [3, 3, 19, 15]
    labels = np.array([[4, 11, -1], [0, -1, -1]])
    _, gradient, _, count = networks.detect_loss(raw, boxes, labels)
    answering = np.argwhere(networks.assign(boxes, labels)[0] >= 0)
    assert count == len(answering) >= 3
    for n, y, x in answering:
        check(lambda: networks.detect_loss(raw, boxes, labels)[0], raw[n, y, x], gradient[n, y, x], rng, 4)
    check(lambda: networks.detect_loss(raw, boxes, labels)[0], raw, gradient, rng, 30)


@pytest.mark.parametrize("stride,dilation,size", [(1, 1, (7, 6)), (2, 1, (8, 6)), (2, 1, (7, 5)), (1, 2, (7, 6))])
def test_the_convolution_is_onnx_s(stride, dilation, size):
    rng = np.random.default_rng(4)
    convolution = Convolution(3, 5, stride, dilation, rng)
    x = rng.standard_normal((2, *size, 3)).astype(np.float32)
    weight = numpy_helper.from_array(np.ascontiguousarray(convolution.weight.reshape(3, 3, 3, 5).transpose(3, 2, 0, 1)), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[dilation] * 4, strides=[stride] * 2, dilations=[dilation] * 2)
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], initializer=[weight]))
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(convolution.forward(x)[0].transpose(0, 3, 1, 2), expected, atol=1e-5)


def test_a_network_learns_by_heart():
    """Eight pictures of noise, two classes: what cannot be generalised can still be remembered."""
    rng = np.random.default_rng(5)
    network = Network([Block(3, 8, rng, stride=2, want_input=False), Block(8, 8, rng, residual=True), Pool(), Linear(8, 2, rng)])
    x, labels = rng.standard_normal((8, 8, 8, 3)).astype(np.float32), np.arange(8) % 2
    optimiser = Optimiser(network)
    for _ in range(150):
        logits, saved = network.forward(x, train=True)
        loss, gradient, right = networks.classify_loss(logits, labels)
        optimiser.step([g / 8 for g in network.backward(gradient, saved)], 0.05)
    assert right == 8
    assert (network.forward(x)[0].argmax(axis=1) == labels).all(), "the running figures are not those of the batches"


@pytest.mark.parametrize("shape", [(27, 16), (8, 40)])
def test_orthogonal_makes_singular_values_alike(shape):
    values = np.linalg.svd(orthogonal(np.random.default_rng(6).standard_normal(shape)), compute_uv=False)
    assert 0.6 < values.min() and values.max() < 1.3
