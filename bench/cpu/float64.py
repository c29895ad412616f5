"""A decoder in float64: the weights of a GGUF dequantised, the forward pass in NumPy."""
import gguf
import numpy as np


class Reference:
    """A llama or qwen2 file in float64, from the embeddings of one sequence on."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        self.arch = reader.fields["general.architecture"].contents()
        field = lambda name: reader.fields[f"{self.arch}.{name}"].contents()  # noqa: E731
        self.layers, self.heads, self.kv_heads = (int(field(name)) for name in (
            "block_count", "attention.head_count", "attention.head_count_kv"))
        self.eps, self.theta = float(field("attention.layer_norm_rms_epsilon")), float(field("rope.freq_base"))
        self.head_dim = int(field("embedding_length")) // self.heads

    def weight(self, name):
        tensor = self.tensors[name]
        return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps) * self.weight(name)

    def project(self, x, name):
        y = x @ self.weight(name + ".weight").T
        return y + self.weight(name + ".bias") if name + ".bias" in self.tensors else y

    def rotate(self, x):
        """[tokens, heads, head_dim]; llama files keep pairs side by side, others half a head apart."""
        half = self.head_dim // 2
        angles = np.arange(x.shape[0])[:, None] * self.theta ** (-np.arange(half) / half)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        first, second = (x[..., 0::2], x[..., 1::2]) if self.arch == "llama" else (x[..., :half], x[..., half:])
        turned = first * cos - second * sin, first * sin + second * cos
        return np.stack(turned, axis=-1).reshape(x.shape) if self.arch == "llama" else np.concatenate(turned, axis=-1)

    def attention(self, x, block):
        tokens = x.shape[0]
        part = lambda name, heads: self.project(x, block + name).reshape(tokens, heads, self.head_dim)  # noqa: E731
        q, k, v = part("attn_q", self.heads), part("attn_k", self.kv_heads), part("attn_v", self.kv_heads)
        group = self.heads // self.kv_heads
        q, k, v = self.rotate(q), np.repeat(self.rotate(k), group, axis=1), np.repeat(v, group, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(self.head_dim)
        scores[:, np.triu(np.ones((tokens, tokens), dtype=bool), 1)] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return np.einsum("hqk,khd->qhd", weights, v).reshape(tokens, -1)

    def outputs(self, x):
        """The residual stream behind each layer, `x` being the embeddings."""
        for i in range(self.layers):
            block = f"blk.{i}."
            x = x + self.project(self.attention(self.norm(x, block + "attn_norm.weight"), block), block + "attn_output")
            y = self.norm(x, block + "ffn_norm.weight")
            gate = self.project(y, block + "ffn_gate")
            x = x + self.project(gate / (1 + np.exp(-gate)) * self.project(y, block + "ffn_up"), block + "ffn_down")
            yield x


def relative_errors(ours, reference):
    """[layers + 1, tokens, width] → a layer: root of Σ difference² / Σ size²."""
    return [float(np.sqrt(np.sum((a - b) ** 2) / np.sum(b ** 2)))
            for a, b in zip(ours[1:].astype(np.float64), reference.outputs(ours[0].astype(np.float64)), strict=True)]
