#!/usr/bin/env python3
"""Golden log-probabilities and greedy tokens from Hugging Face transformers, on CPU in float32.

    python tools/goldens/model_goldens.py [--only NAME] [--smollm2 FILE.gguf [--texts FOLDER]]

writes tests/goldens/models/*.json. The tiny models have no files: their weights come from a hash of
tensor name and index that src/models/tiny_models.h computes alike. Needs torch, transformers, gguf.
"""

import argparse
import copy
import json
import os
import pathlib

import gguf
import numpy as np
import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "models"
MASK = (1 << 64) - 1
GOLDEN_GAMMA = 0x9E3779B97F4A7C15

LLAMA = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=64,
             intermediate_size=176, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=320, max_position_embeddings=256, rms_norm_eps=1e-5,
             rope_theta=10000.0, hidden_act="silu", tie_word_embeddings=False, bos_token_id=1,
             eos_token_id=2)
GPT2 = dict(architectures=["GPT2LMHeadModel"], model_type="gpt2", n_embd=64, n_head=4, n_layer=3,
            n_positions=160, vocab_size=320, layer_norm_epsilon=1e-5,
            activation_function="gelu_new", tie_word_embeddings=True, bos_token_id=0,
            eos_token_id=0)
# Widths that no tile divides, as SmolLM2's 576 = 9 heads of 64.
ODD = dict(hidden_size=72, num_attention_heads=9, num_key_value_heads=3, intermediate_size=200,
           vocab_size=333)
QWEN2 = LLAMA | dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", rms_norm_eps=1e-6,
                     rope_theta=1000000.0, tie_word_embeddings=True)
QWEN3 = QWEN2 | dict(architectures=["Qwen3ForCausalLM"], model_type="qwen3", head_dim=24)
MISTRAL = LLAMA | dict(architectures=["MistralForCausalLM"], model_type="mistral",
                       sliding_window=12)

# One tensor of each block format; layer 1 also mixes formats within q-k-v and within gate and up.
BLOCK_TYPES = {
    "embed_tokens": "q6_k", "lm_head": "q5_k",
    "0.self_attn.q_proj": "q4_0", "0.self_attn.k_proj": "q4_0", "0.self_attn.v_proj": "q4_0",
    "0.self_attn.o_proj": "q5_0", "0.mlp.gate_proj": "q4_k", "0.mlp.up_proj": "q4_k",
    "0.mlp.down_proj": "q6_k",
    "1.self_attn.q_proj": "q4_1", "1.self_attn.k_proj": "q4_1", "1.self_attn.v_proj": "q8_0",
    "1.self_attn.o_proj": "q5_1", "1.mlp.gate_proj": "q4_k", "1.mlp.up_proj": "q5_k",
    "1.mlp.down_proj": "q8_0",
}
# Of each format: where its f16 fields lie, and the sign and exponent that give sane weights.
F16_FIELDS = {
    "q4_0": [(0, 0x2000)], "q4_1": [(0, 0x2000), (2, 0xAC00)], "q5_0": [(0, 0x1C00)],
    "q5_1": [(0, 0x1C00), (2, 0xAC00)], "q8_0": [(0, 0x1400)],
    "q4_k": [(0, 0x0C00), (2, 0x1800)], "q5_k": [(0, 0x0800), (2, 0x1800)],
    "q6_k": [(208, 0x0400)],
}
BLOCKS_MODEL = QWEN2 | dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2,
                            tie_word_embeddings=False)

VARIANTS = {
    "llama_gqa": LLAMA,
    "llama_tied_odd": LLAMA | ODD | dict(tie_word_embeddings=True),
    "llama_odd_bf16": LLAMA | ODD | dict(torch_dtype="bfloat16"),
    "llama_biases": LLAMA | dict(attention_bias=True, mlp_bias=True, num_key_value_heads=4),
    "llama_rope_linear": LLAMA | dict(rope_scaling=dict(type="linear", factor=4.0)),
    "llama_rope_llama3": LLAMA | dict(
        head_dim=32, rope_theta=500000.0,
        rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                          high_freq_factor=4.0, original_max_position_embeddings=64)),
    "llama_rope_yarn": {k: v for k, v in LLAMA.items() if k != "rope_theta"} | dict(
        head_dim=32,
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
                             original_max_position_embeddings=64)),
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "mistral_window": MISTRAL,
    "qwen2_blocks": BLOCKS_MODEL,
    "gpt2_tied": GPT2,
    "gpt2_odd": GPT2 | dict(n_embd=60, n_head=5, n_inner=100, vocab_size=301,
                            tie_word_embeddings=False, activation_function="gelu"),
    "gpt2_bf16": GPT2 | dict(torch_dtype="bfloat16"),
    # As a fresh model of either family is initialised; the others have far livelier logits.
    "llama_init_bf16": LLAMA | dict(torch_dtype="bfloat16", initializer_range=0.02),
    "gpt2_init_bf16": GPT2 | dict(torch_dtype="bfloat16", initializer_range=0.02),
}


def hashed_bits(seed_text, count):
    """uint64 for index 0 … count-1: FNV-1a of the text seeds SplitMix64."""
    seed = 0xCBF29CE484222325
    for byte in seed_text.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        x = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def hashed(seed_text, count):
    """[-1, 1), 24 bits a value."""
    return (hashed_bits(seed_text, count) >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0


def hashed_blocks(seed_text, block_type, shape):
    """Blocks of random bytes whose f16 fields keep their mantissa; and the weights they mean."""
    kind = gguf.GGMLQuantizationType[block_type.upper()]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = shape[0] * shape[1] // elements
    blocks = (hashed_bits(seed_text, count * size) >> np.uint64(56)).astype(np.uint8)
    blocks = blocks.reshape(count, size)
    for offset, base in F16_FIELDS[block_type]:
        field = blocks[:, offset:offset + 2].copy().view(np.uint16)
        blocks[:, offset:offset + 2] = ((field & 0x3FF) | base).astype(np.uint16).view(np.uint8)
    return gguf.quants.dequantize(blocks.reshape(shape[0], -1), kind).reshape(shape)


def scale_and_offset(name, shape, settings):
    """Scales are multiples of 1/1024, so that JSON carries them exactly."""
    conv1d = settings["model_type"] == "gpt2"
    if "initializer_range" in settings:
        if len(shape) == 1:
            return 0.0, 0.0 if name.endswith("bias") else 1.0
        return round(settings["initializer_range"] * 3.0 ** 0.5 * 1024) / 1024, 0.0
    if name.endswith("bias"):
        return 0.25, 0.0
    if len(shape) == 1:
        return 0.25, 1.0
    if "embed_tokens" in name or "wte" in name or "wpe" in name:
        return 0.5, 0.0
    fan_in = shape[0] if conv1d and "lm_head" not in name else shape[1]
    gain = 2.0 if "lm_head" in name else 1.0
    return round(gain * (3.0 / fan_in) ** 0.5 * 1024) / 1024, 0.0


def log_prob_rows(model, tokens, positions, fixed_ids):
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].float()
    rows = []
    for position in positions:
        log_probs = torch.log_softmax(logits[position].double(), -1)
        ids = torch.topk(log_probs, 20).indices.tolist()
        ids += [i for i in fixed_ids if i not in ids]
        rows.append(dict(position=position, ids=ids,
                         log_probs=[round(log_probs[i].item(), 6) for i in ids]))
    return rows


def greedy(model, prompt, count):
    """Tokens and, for each, how far the runner-up's logit was."""
    tokens, margins, past = [], [], None
    feed = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(count):
            out = model(feed, past_key_values=past, use_cache=True)
            past = out.past_key_values
            best = torch.topk(out.logits[0, -1].float(), 2)
            tokens.append(best.indices[0].item())
            margins.append((best.values[0] - best.values[1]).item())
            feed = torch.tensor([[tokens[-1]]])
    return tokens, min(margins)


def bf16_error(model, tokens, rows):
    """How far transformers' own bf16 run is from its float32 run: what 16 bits cost this model."""
    narrow = copy.deepcopy(model).bfloat16()
    worst = 0.0
    with torch.no_grad():
        logits = narrow(torch.tensor([tokens])).logits[0]
    for row in rows:
        log_probs = torch.log_softmax(logits[row["position"]].double(), -1)
        for token, expected in zip(row["ids"], row["log_probs"]):
            worst = max(worst, abs(log_probs[token].item() - expected))
    return worst


def versions():
    return dict(transformers=transformers.__version__, torch=torch.__version__)


def write(name, golden):
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(golden, separators=(",", ":"), ensure_ascii=False)
    (OUT / f"{name}.json").write_text(text + "\n")
    print(f"{name}: {len(text)} bytes, margin {golden.get('greedy_margin')}")


def fill(model, settings, salt):
    """Gives every parameter its hashed values; returns [name, shape, scale, offset] of each."""
    tied = settings["tie_word_embeddings"]
    tensors = []
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if (tied and key == "lm_head.weight") or value.dtype != torch.float32:
                continue
            shape = list(value.shape)
            block_type = next((t for part, t in BLOCK_TYPES.items() if part in key), None)
            if "blocks" in salt and block_type and len(shape) == 2:
                value.copy_(torch.tensor(hashed_blocks(f"{salt}/{key}", block_type, shape)))
                tensors.append([key, shape, block_type])
                continue
            scale, offset = scale_and_offset(key, shape, settings)
            data = offset + scale * hashed(f"{salt}/{key}", value.numel())
            filled = torch.tensor(data.astype(np.float32)).reshape(shape)
            if settings.get("torch_dtype") == "bfloat16":
                filled = filled.bfloat16().float()
            value.copy_(filled)
            tensors.append([key, shape, scale, offset])
    return tensors


def tiny_golden(name, settings):
    config = transformers.AutoConfig.for_model(
        **copy.deepcopy({k: v for k, v in settings.items() if k != "torch_dtype"}))
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    vocab = settings["vocab_size"]
    safe_margin = 4e-4 if "initializer_range" in settings else 4e-3
    for attempt in range(300):
        salt = f"{name}.{attempt}"
        tensors = fill(model, settings, salt)
        prompt = [int(x) for x in (hashed(f"{salt}/prompt", 40) + 1) / 2 * vocab]
        tokens, margin = greedy(model, prompt, 64)
        if margin > safe_margin and len(set(tokens)) > 8:  # neither a near tie nor one token for ever
            break
    else:
        raise SystemExit(f"{name}: every attempt runs into a near tie")
    rows = log_prob_rows(model, prompt, [0, 1, 17, 38, 39], [0, 1, 7, vocab - 1])
    write(name, dict(name=name, made_by=versions(), config=settings, salt=salt, tensors=tensors,
                     prompt=prompt, rows=rows, greedy=tokens, greedy_margin=round(margin, 5),
                     bf16_error=round(bf16_error(model, prompt, rows), 5)))


SMOLLM2_PROMPTS = [
    ("The capital of France is", False),
    ("What is the capital of France?", True),
    ("Write a short poem about the sea.", True),
    ("Explain how photosynthesis works to a ten year old child.", True),
    ("def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n", False),
    ("#include <vector>\n\n// Sorts in place.\nvoid quick_sort(std::vector<int>& values) {\n", False),
    ("请用一句话介绍北京。", True),
    ("从前有一座山，山上有一座庙，", False),
    ('{"name": "Alice", "age": 30, "languages": ["English", "French"], "address": {', False),
    ("Turn this into JSON: Bob is 25 years old and lives in Paris with two cats.", True),
]


def smollm2_golden(path):
    folder, file = os.path.split(os.path.abspath(path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, dtype=torch.float32, attn_implementation="eager").eval()
    prompts = []
    for text, chat in SMOLLM2_PROMPTS:
        if chat:
            text = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
                    f"Hugging Face<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n"
                    "<|im_start|>assistant\n")
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        tokens, margin = greedy(model, ids, 100)
        rows = log_prob_rows(model, ids, sorted({0, len(ids) // 2, len(ids) - 1}),
                             [0, 1, 2, 198, 49151])
        prompts.append(dict(text=text, ids=ids, rows=rows, greedy=tokens,
                            greedy_margin=round(margin, 5), answer=tokenizer.decode(tokens)))
        print(f"  {margin:.5f} {tokenizer.decode(tokens)[:70]!r}")
    write("smollm2_q4_1", dict(name="SmolLM2-135M-Instruct.Q4_1.gguf", made_by=versions(),
                               prompts=prompts))


# (file of the shared text folder, first byte): real prose in the model's language and outside it.
KL_TEXTS = [("tinyshakespeare/input.txt", 200_000), ("books_multilingual/botchan.txt", 50_000),
            ("books_multilingual/the-verdict.txt", 4_000),
            ("load_test_prompts/vllm_sonnet.txt", 2_000)]


def kl_text_ids(path, texts):
    """Token ids of pieces of real text, for the comparison of precisions."""
    folder, file = os.path.split(os.path.abspath(path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=file)
    pieces = []
    for name, first in KL_TEXTS:
        text = (pathlib.Path(texts) / name).read_bytes()[first:first + 6000].decode(errors="ignore")
        ids = tokenizer(text, add_special_tokens=False)["input_ids"][:512]
        pieces.append(dict(name=name, ids=ids))
    write("smollm2_texts", dict(made_by=versions(), pieces=pieces))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="one variant")
    parser.add_argument("--smollm2", help="the GGUF file; its goldens are left alone without it")
    parser.add_argument("--texts", help="the shared text folder, for smollm2_texts.json")
    args = parser.parse_args()
    torch.set_num_threads(2)
    for name, settings in VARIANTS.items():
        if args.only in (None, name):
            tiny_golden(name, settings)
    if args.smollm2:
        smollm2_golden(args.smollm2)
        if args.texts:
            kl_text_ids(args.smollm2, args.texts)


if __name__ == "__main__":
    main()
