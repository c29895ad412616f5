"""The layers both networks are made of. Activations are float32 [pictures, height, width, channels].

A layer holds its parameters and nothing of a run: `forward` returns what `backward` needs, so that threads may use one layer at
once. `backward` returns the gradient of the input (None where it is not wanted) and one array a parameter. A running mean or
variance is a parameter too; its "gradient" is its distance from the batch's, and `Adam` moves it by a fixed share of that.
"""
import numpy as np

BATCH_NORM_EPSILON = 1e-5


def sums(rows):
    """Of each column; a product with ones is the fast way."""
    return np.ones(len(rows), dtype=rows.dtype) @ rows


def wide(rows, *vectors):
    """The same memory in longer rows, and the vectors repeated to fit them: short rows are slow to go through."""
    times = max((k for k in (32, 16, 8, 4, 2, 1) if len(rows) % k == 0 and k * rows.shape[1] <= 1024), default=1)
    return rows.reshape(-1, times * rows.shape[1]), *(np.tile(v, times) for v in vectors)


class Convolution:
    """3 × 3 without a bias; zeros outside, [h, w] becomes [ceil(h / stride), ceil(w / stride)]."""

    def __init__(self, inputs, outputs, stride, dilation, rng):
        self.inputs, self.outputs, self.stride, self.dilation = inputs, outputs, stride, dilation
        self.weight = (rng.standard_normal((9 * inputs, outputs)) * np.sqrt(2 / (9 * inputs))).astype(np.float32)

    def columns(self, x):
        """Each output's 3 × 3 neighbourhood as a row: [n · h' · w', 9 · inputs], (y, x, channel) in this order."""
        n, height, width, channels = x.shape
        d = self.dilation
        padded = np.zeros((n, height + 2 * d, width + 2 * d, channels), dtype=x.dtype)
        padded[:, d:-d, d:-d] = x
        a, b, c, e = padded.strides
        shape = (n, -(-height // self.stride), -(-width // self.stride), 3, 3, channels)
        strides = (a, b * self.stride, c * self.stride, b * d, c * d, e)
        windows = np.lib.stride_tricks.as_strided(padded, shape, strides, writeable=False)
        return windows.reshape(-1, 9 * channels), shape[:3]

    def forward(self, x):
        columns, shape = self.columns(x)
        return (columns @ self.weight).reshape(*shape, self.outputs), columns

    def backward(self, grad, columns, input_shape, want_input):
        rows = grad.reshape(-1, self.outputs)
        of_weight = columns.T @ rows
        if not want_input:
            return None, of_weight
        if self.stride == 1:   # again a convolution, by the weights turned around
            turned = self.weight.reshape(9, self.inputs, self.outputs)[::-1].transpose(0, 2, 1).reshape(-1, self.inputs)
            return (self.columns(grad)[0] @ turned).reshape(input_shape), of_weight
        return self.scatter(rows, grad.shape, input_shape), of_weight

    def scatter(self, rows, shape, input_shape):
        """Each output's gradient back to the places that it came from."""
        n, height, width, channels = input_shape
        d, stride, (out_h, out_w) = self.dilation, self.stride, shape[1:3]
        padded = np.zeros((n, height + 2 * d, width + 2 * d, channels), dtype=rows.dtype)
        for place in range(9):
            part = rows @ self.weight[place * channels:(place + 1) * channels].T
            y, x = place // 3 * d, place % 3 * d
            padded[:, y:y + out_h * stride:stride, x:x + out_w * stride:stride] += part.reshape(n, out_h, out_w, channels)
        return np.ascontiguousarray(padded[:, d:-d, d:-d])


class Block:
    """Convolution, batch norm, ReLU; with `residual` the input is added before the ReLU."""

    def __init__(self, inputs, outputs, rng, stride=1, dilation=1, residual=False, want_input=True):
        self.convolution = Convolution(inputs, outputs, stride, dilation, rng)
        self.residual, self.want_input = residual, want_input
        # A residual block begins as a small change of its input.
        self.gain = np.full(outputs, 0.3 if residual else 1, dtype=np.float32)
        self.shift = np.zeros(outputs, dtype=np.float32)
        self.mean = np.zeros(outputs, dtype=np.float32)
        self.variance = np.ones(outputs, dtype=np.float32)

    @property
    def parameters(self):
        return [self.convolution.weight, self.gain, self.shift, self.mean, self.variance]

    running = (3, 4)   # which of them are running figures

    def forward(self, x, train):
        y, columns = self.convolution.forward(x)
        rows = y.reshape(-1, y.shape[-1])
        mean = sums(rows) / len(rows) if train else self.mean
        centred, tiled = wide(rows, mean)
        centred -= tiled
        variance = sums((centred * centred).reshape(rows.shape)) / len(rows) if train else self.variance
        inverse = 1 / np.sqrt(variance + BATCH_NORM_EPSILON)
        _, factor, shift = wide(rows, self.gain * inverse, self.shift)
        out = centred * factor
        out += shift
        out = out.reshape(y.shape)
        if self.residual:
            out += x
        np.maximum(out, 0, out=out)
        return out, (columns, rows, inverse, out, mean, variance, x.shape) if train else None

    def backward(self, grad, saved):
        columns, centred, inverse, out, mean, variance, input_shape = saved
        grad = grad * (out > 0)
        rows = grad.reshape(centred.shape)
        of_shift, of_gain = sums(rows), sums(rows * centred) * inverse
        inner, slope, level, factor = wide(rows, of_gain * inverse / len(rows), of_shift / len(rows), self.gain * inverse)
        inner = inner - wide(centred)[0] * slope
        inner -= level
        inner *= factor
        of_input, of_weight = self.convolution.backward(inner.reshape(grad.shape), columns, input_shape, self.want_input)
        if self.residual:
            of_input += grad
        return of_input, [of_weight, of_gain, of_shift, self.mean - mean, self.variance - variance]


class Pool:
    """The mean over height and width: [n, h, w, c] → [n, c]."""
    parameters, running = [], ()

    def forward(self, x, train):
        return x.mean(axis=(1, 2)), x.shape if train else None

    def backward(self, grad, shape):
        share = grad / (shape[1] * shape[2])
        return np.ascontiguousarray(np.broadcast_to(share[:, None, None, :], shape)), []


class Linear:
    """The last axis times a matrix, plus a bias: after `Pool`, or at each place of a grid."""
    running = ()

    def __init__(self, inputs, outputs, rng, bias=None):
        self.weight = (rng.standard_normal((inputs, outputs)) * 0.5 / np.sqrt(inputs)).astype(np.float32)
        self.bias = np.zeros(outputs, dtype=np.float32) if bias is None else np.array(bias, dtype=np.float32)

    @property
    def parameters(self):
        return [self.weight, self.bias]

    def forward(self, x, train):
        return x @ self.weight + self.bias, x if train else None

    def backward(self, grad, x):
        rows = grad.reshape(-1, grad.shape[-1])
        return grad @ self.weight.T, [x.reshape(-1, x.shape[-1]).T @ rows, sums(rows)]


class Network:
    """Layers in a row."""

    def __init__(self, layers):
        self.layers = layers

    @property
    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters]

    @property
    def running(self):
        """For each parameter, whether it is a running figure."""
        return [i in layer.running for layer in self.layers for i in range(len(layer.parameters))]

    def forward(self, x, train=False):
        saved = []
        for layer in self.layers:
            x, kept = layer.forward(x, train)
            saved.append(kept)
        return x, saved

    def backward(self, grad, saved):
        """The gradients in the order of `parameters`."""
        gradients = []
        for layer, kept in zip(reversed(self.layers), reversed(saved)):
            grad, own = layer.backward(grad, kept)
            gradients = own + gradients
        return gradients


def orthogonal(matrix):
    """The nearest matrix whose singular values are alike, roughly: five steps of Newton and Schulz, coefficients of Jordan et al.
    (Muon, 2024)."""
    turned = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if turned else matrix
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.775 * square + 2.0315 * (square @ square)) @ x
    return x.T if turned else x


class Optimiser:
    """Muon for the matrices of convolutions: momentum, made orthogonal, a share `rate` of the weight's length, which is then held
    (batch norm takes it out anyway). Adam for the rest, at a tenth of the rate; running figures go towards the batch's."""

    def __init__(self, network, momentum=0.9, square=0.99, keep=0.9):
        self.parameters, self.running = network.parameters, network.running
        self.is_convolution = [p is getattr(getattr(layer, "convolution", None), "weight", None)
                               for layer in network.layers for p in layer.parameters]
        self.momentum, self.square, self.keep = momentum, square, keep
        self.lengths = [np.linalg.norm(p) for p in self.parameters]
        self.first = [np.zeros_like(p) for p in self.parameters]
        self.second = [np.zeros_like(p) for p in self.parameters]
        self.steps = 0

    def step(self, gradients, rate, apply=map):
        """`apply` may be a thread pool's map: no parameter needs another."""
        self.steps += 1
        list(apply(lambda i: self.move(i, self.parameters[i], gradients[i], rate), range(len(gradients))))

    def move(self, i, parameter, gradient, rate):
        if self.running[i]:
            parameter -= (1 - self.keep) * gradient
        elif self.is_convolution[i]:
            self.turn(i, parameter, gradient, rate)
        else:
            self.adam(i, parameter, gradient, 0.1 * rate)

    def turn(self, i, weight, gradient, rate):
        self.first[i] = self.momentum * self.first[i] + gradient
        update = orthogonal(gradient + self.momentum * self.first[i])
        weight -= rate * self.lengths[i] / np.sqrt(min(weight.shape)) * update
        weight *= self.lengths[i] / np.linalg.norm(weight)

    def adam(self, i, parameter, gradient, rate):
        first, second = self.first[i], self.second[i]
        first += (1 - self.momentum) * (gradient - first)
        second += (1 - self.square) * (gradient * gradient - second)
        fixed = np.sqrt(second / (1 - self.square ** self.steps)) + 1e-8
        parameter -= rate * first / (1 - self.momentum ** self.steps) / fixed
