#!/usr/bin/env python3
"""Writes a GGUF with random weights in a real model's shape, for measuring speed where the real weights cannot be had.

usage: make_model.py TOKENIZER.gguf OUT.gguf SHAPE KIND
       SHAPE: smollm2-135m | qwen2.5-0.5b | llama3.2-1b   KIND: f16 | bf16 | q8_0 | q4_0 | q4_1 | q4_k_m | q6_k
The tokenizer is taken from a real GGUF file and padded to the shape's vocabulary. Mixed kinds are mixed as llama.cpp's
quantiser mixes them, and rows that are no multiple of 256 get its fallbacks instead of K-quants.
"""
import argparse

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

import kquant_blocks

SHAPES = {
    "smollm2-135m": {"arch": "llama", "layers": 30, "width": 576, "ff": 1536, "heads": 9, "kv_heads": 3, "head_dim": 64,
                     "vocab": 49152, "theta": 1e5, "eps": 1e-5, "context": 8192, "qkv_bias": False},
    "qwen2.5-0.5b": {"arch": "qwen2", "layers": 24, "width": 896, "ff": 4864, "heads": 14, "kv_heads": 2, "head_dim": 64,
                     "vocab": 151936, "theta": 1e6, "eps": 1e-6, "context": 32768, "qkv_bias": True},
    "llama3.2-1b": {"arch": "llama", "layers": 16, "width": 2048, "ff": 8192, "heads": 32, "kv_heads": 8, "head_dim": 64,
                    "vocab": 128256, "theta": 5e5, "eps": 1e-5, "context": 131072, "qkv_bias": False},
}
KINDS = {"f16": Type.F16, "bf16": Type.BF16, "q8_0": Type.Q8_0, "q4_0": Type.Q4_0, "q4_1": Type.Q4_1,
         "q4_k_m": Type.Q4_K, "q6_k": Type.Q6_K}
FILE_TYPES = {"f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2, "q4_1": 3, "q4_k_m": 15, "q6_k": 18}  # general.file_type
K_BLOCKS = {Type.Q4_K: kquant_blocks.q4_k, Type.Q6_K: kquant_blocks.q6_k}
FALLBACKS = {Type.Q4_K: Type.Q5_0, Type.Q6_K: Type.Q8_0}  # where rows do not hold whole super-blocks


def type_of(tensor, kind, layer, layers):
    """The type of one matrix in a file of `kind`. Embeddings of 4-bit files have more bits, as in published ones, and
    so have the value and down projections of about half of the layers of Q4_K_M."""
    if tensor == "token_embd":
        return {"q4_0": Type.Q8_0, "q4_k_m": Type.Q6_K}.get(kind, KINDS[kind])
    eighth = layers // 8
    more_bits = layer < eighth or layer >= 7 * eighth or (layer - eighth) % 3 == 2
    if kind == "q4_k_m" and tensor in ("attn_v", "ffn_down") and more_bits:
        return Type.Q6_K
    return KINDS[kind]


class ModelWriter:
    def __init__(self, out, shape, kind):
        self.file = gguf.GGUFWriter(out, shape["arch"])
        self.shape, self.kind, self.draw = shape, kind, np.random.default_rng(20)

    def matrix(self, tensor, rows, columns, layer=None):
        name = f"{tensor}.weight" if layer is None else f"blk.{layer}.{tensor}.weight"
        kind = type_of(tensor, self.kind, layer, self.shape["layers"])
        if kind in K_BLOCKS and columns % kquant_blocks.BLOCK:
            kind = FALLBACKS[kind]
        deviation = columns ** -0.5
        if kind in K_BLOCKS:
            data = kquant_blocks.rows_of_blocks(K_BLOCKS[kind], self.draw, rows, columns, deviation)
        else:
            data = gguf.quants.quantize(self.draw.standard_normal((rows, columns), dtype=np.float32) * np.float32(deviation), kind)
        self.file.add_tensor(name, data, raw_dtype=kind)

    def vector(self, name, values):
        self.file.add_tensor(name, values.astype(np.float32))

    def hyperparameters(self):
        s, f = self.shape, self.file
        f.add_file_type(FILE_TYPES[self.kind])
        f.add_context_length(s["context"])
        f.add_embedding_length(s["width"])
        f.add_block_count(s["layers"])
        f.add_feed_forward_length(s["ff"])
        f.add_head_count(s["heads"])
        f.add_head_count_kv(s["kv_heads"])
        f.add_rope_freq_base(s["theta"])
        f.add_rope_dimension_count(s["head_dim"])
        f.add_layer_norm_rms_eps(s["eps"])
        f.add_vocab_size(s["vocab"])

    def tokenizer(self, path):
        fields = gguf.GGUFReader(path).fields
        read = lambda key: fields["tokenizer." + key].contents()  # noqa: E731
        tokens, types = list(read("ggml.tokens")), list(read("ggml.token_type"))
        padding = self.shape["vocab"] - len(tokens)
        self.file.add_tokenizer_model("gpt2")
        self.file.add_tokenizer_pre(read("ggml.pre"))
        self.file.add_token_list(tokens + [f"<|unused_{i}|>" for i in range(padding)])
        self.file.add_token_types(types + [int(gguf.TokenType.UNUSED)] * padding)
        self.file.add_token_merges(read("ggml.merges"))
        self.file.add_bos_token_id(1)
        self.file.add_eos_token_id(2)
        self.file.add_chat_template(read("chat_template"))

    def layer(self, i):
        s, name = self.shape, f"blk.{i}."
        q, kv = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"]
        self.vector(name + "attn_norm.weight", np.ones(s["width"]))
        for part, rows in (("q", q), ("k", kv), ("v", kv)):
            self.matrix(f"attn_{part}", rows, s["width"], i)
            if s["qkv_bias"]:
                self.vector(f"{name}attn_{part}.bias", self.draw.standard_normal(rows) * 0.02)
        self.matrix("attn_output", s["width"], q, i)
        self.vector(name + "ffn_norm.weight", np.ones(s["width"]))
        self.matrix("ffn_gate", s["ff"], s["width"], i)
        self.matrix("ffn_up", s["ff"], s["width"], i)
        self.matrix("ffn_down", s["width"], s["ff"], i)

    def finish(self):
        self.file.write_header_to_file()
        self.file.write_kv_data_to_file()
        self.file.write_tensors_to_file()
        self.file.close()


def write_model(tokenizer, out, shape, kind):
    writer = ModelWriter(out, SHAPES[shape], kind)
    writer.hyperparameters()
    writer.tokenizer(tokenizer)
    writer.matrix("token_embd", writer.shape["vocab"], writer.shape["width"])
    writer.vector("output_norm.weight", np.ones(writer.shape["width"]))
    for i in range(writer.shape["layers"]):
        writer.layer(i)
    writer.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("out")
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("kind", choices=KINDS)
    a = parser.parse_args()
    write_model(a.tokenizer, a.out, a.shape, a.kind)


if __name__ == "__main__":
    main()
