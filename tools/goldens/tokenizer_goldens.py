#!/usr/bin/env python3
"""Writes tests/goldens/tokenizers/*.json: what Hugging Face's `tokenizers` gives for texts.json, and checksums of
what it gives for larger texts of the data folder.

usage: tokenizer_goldens.py DATA_DIR SMOLLM2_GGUF [NAME...]
"""
import base64
import json
import pathlib
import sys

from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/goldens/tokenizers"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LARGE_TEXTS = [
    "tinyshakespeare/input.txt", "books_multilingual/botchan.txt", "books_multilingual/wagahaiwa_nekodearu.txt",
    "books_multilingual/the-verdict.txt", "books_multilingual/names.txt", "clip_prompts/prompts.md",
    "load_test_prompts/FastChat_dummy_conversation.json", "load_test_prompts/FastChat_mt_bench_question.jsonl",
    "load_test_prompts/grade-school-math_test.jsonl", "load_test_prompts/stanford_alpaca_seed_tasks.jsonl",
    "load_test_prompts/sample-apps_questions.jsonl", "load_test_prompts/vllm_summary.txt",
]

TEXTS = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", "\n\n\n", "\t\n", "\r\n", " \n \n  x", "a", "Hello world", " Hello world", "Hello, world!",
    "  two leading and two trailing  ", "tabs\tand\t\ttabs", "line one\nline two\r\nline three\n\n\n\nend\n",
    "I'm sure they'll say it's what we've done, didn't I? He'd've. 'Tis 'S 'LL 'Ve don'T",
    "The quick brown fox jumps over the lazy dog. THE QUICK BROWN FOX!", "CamelCaseIdentifiers and snake_case_ones, SCREAMING_CASE",
    "def fib(n: int) -> int:\n    \"\"\"Doc.\"\"\"\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n\n\nprint([fib(i) for i in range(10)])\n",
    "#include <vector>\ntemplate <class T>\nT max(const std::vector<T>& v) { return *std::max_element(v.begin(), v.end()); } // !!\n",
    "{\"key\": [1, 2.5e-3, true, null], \"nested\": {\"a\": \"\\u00e9\\n\"}}", "SELECT * FROM t WHERE a >= 10 AND b <> 'x''y'; -- c",
    "<html><body class=\"x\">&nbsp;&amp;</body></html>", "https://example.org/path?q=a%20b&x=1#frag me@mail.example.com",
    "0 1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 -5 +7 0x1F 1e10 2026-11-22T10:20:30Z",
    "½ ² ³ ① Ⅳ ٣٤٥ १२३ 七八九 １２３", "$100 €200 £300 ¥400 ₹500 50% 20°C §3 ¶ © ® ™ ± × ÷ ≠ ≤ ∞ √ ∑ → ⇒",
    "中文没有空格，标点符号：“引号”、《书名号》。第3章，共12页。", "我爱自然语言处理。今天天气很好！你呢？",
    "日本語のテキスト、カタカナとひらがな。吾輩は猫である。名前はまだ無い。", "한국어 문장도 있습니다. 띄어쓰기가 있어요!",
    "العربية من اليمين إلى اليسار، مع التشكيل: مُحَمَّدٌ رَسُولُ", "עברית עם ניקוד: שָׁלוֹם עולם", "Ελληνικά και Русский текст, Українська мова",
    "हिन्दी में संयुक्ताक्षर और मात्राएँ", "ภาษาไทยไม่มีช่องว่าง", "ខ្មែរ ភាសា தமிழ் తెలుగు বাংলা ქართული հայերեն",
    "naïve café résumé Zürich Ångström façade œuvre ſtraße ŉ", "e\u0301 a\u0308 o\u0302 n\u0303 combining A\u030a vs \u00c5 vs \u212b; \ufb01 \ufb00",
    "'\u017f IT'\u017fx don't\u2019s", "\u2018single\u2019 \u201cdouble\u201d \u2013 en \u2014 em \u2026 \u203d \u00ab\u00bb",
    "emoji: 😀😃😄 👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ 🏳️‍🌈 1️⃣", "🤗🤗🤗 a😀b 😀", "zero\u200bwidth\u200djoiner\ufeffbom \ufeffx",
    "nbsp\u00a0here\u2003em\u3000ideographic\u2028line\u2029para\u0085nel\u1680ogham",
    "\u0000\u0001\u0002\u0007\u0008\u000b\u000c\u001b[31mred\u001b[0m\u007f\u0080\u009f", "\ue000 private \U0010ffff \U000f0000 \ufffe",
    "Z\u0351\u036b\u0343\u036a\u0302\u0348\u032bA\u0338\u0337\u0321L\u0336\u0328G\u0321O\u0321", "a" * 200, "ab" * 150, "=" * 130 + "-" * 77, " " * 100 + "x", "\n" * 50, "\t" * 33 + "y",
    "x" + " " * 17 + "y" + " " * 31 + "z" + " " * 64, "pneumonoultramicroscopicsilicovolcanoconiosis Donaudampfschifffahrtsgesellschaftskapitän",
    "AGCTTTTCATTCTGACTGCAACGGGCAATATGTCTCTGTGTGGATTAAAAAAAGAGTGTCTGATAGCAGC", "dGhpcyBpcyBiYXNlNjQgZW5jb2RlZCB0ZXh0IHdpdGggcGFkZGluZw==",
    "<|endoftext|>", "a<|endoftext|>b <|endoftext|> c", "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n", "<s>x</s> <unk> [INST] hi [/INST]</s>",
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", "<|user|>\nq<|end|>\n<|assistant|>  \n", "<mask> x<mask>  <mask>\n",
    "<|im_start|", "<|<|im_end|>|>", "<|endoftext|><|endoftext|>", "<|startoftranscript|><|en|>hi<|notimestamps|>", "!!!???...---___***///\\\\\\'''\"\"\"```~~~$$$^^^|||<<<>>>",
    "Don't  you   think    so?     Yes.\n  - item\n    - nested\n\t- tabbed", "price:$5,000.00(approx.)…done", "\u2581already\u2581there\u2581 \u2581", "<0x0A><0xE4>",
]
BROKEN = [b"\xff", b"ab\x80cd", b"\xe4\xb8", b"\xe4\xb8\xad\xe4\xb8", b"\xf0\x9f\x98 x", b"\xc3\x28\xa0\xa1", b"\xed\xa0\x80\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xc0\xaf\xe0\x80\x80 end"]


def bytes_to_unicode():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, n = {b: chr(b) for b in printable}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + n)
            n += 1
    return table


SPELL = bytes_to_unicode()


def spell(data):
    return "".join(SPELL[b] for b in data)


def byte_level(vocab, merges, splits, normalizer=None, **options):
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, **options))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    return tokenizer


def split_by(pattern):
    return [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]


def smollm2(gguf):
    fields = GGUFReader(gguf).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    splits = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer = byte_level({t: i for i, t in enumerate(tokens)}, merges, splits)
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, types) if kind == 3])
    return tokenizer


def llama3(folder):
    vocab = json.loads((folder / "encoder.json").read_text())
    merges = [tuple(line.split(" ")) for line in (folder / "vocab.bpe").read_text().split("\n") if line and not line.startswith("#version")]
    tokenizer = byte_level(vocab, merges, split_by(CL100K % "{1,3}"), ignore_merges=True)
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))])
    return tokenizer


def from_file(path):
    """Without merges that are not two parts: the llama2 file of the data folder has three, and no reader takes it."""
    content = json.loads(path.read_text())
    content["model"]["merges"] = [m for m in content["model"]["merges"] if isinstance(m, list) or m.count(" ") == 1]
    return Tokenizer.from_str(json.dumps(content))


def last_merge(ranks, token):
    parts = [bytes([b]) for b in token]
    limit = ranks[token]
    while len(parts) > 2:
        rank, i = min((ranks.get(parts[i] + parts[i + 1], limit), i) for i in range(len(parts) - 1))
        if rank >= limit:
            return None
        parts[i:i + 2] = [parts[i] + parts[i + 1]]
    return tuple(spell(p) for p in parts)


def qwen2(path):
    ranks = {base64.b64decode(line.split()[0]): int(line.split()[1]) for line in path.read_bytes().splitlines()}
    merges = [m for m in (last_merge(ranks, t) for t in ranks if len(t) > 1) if m]
    tokenizer = byte_level({spell(t): i for t, i in ranks.items()}, merges, split_by(CL100K % ""), normalizers.NFC())
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return tokenizer


def checksum(ids):
    """FNV-1a over the ids as 32-bit little-endian numbers."""
    state = 0xCBF29CE484222325
    for b in b"".join(i.to_bytes(4, "little") for i in ids):
        state = (state ^ b) * 0x100000001B3 % 2**64
    return f"{state:016x}"


def goldens(tokenizer, data):
    inputs = TEXTS + [b.decode("utf-8", "replace") for b in BROKEN]
    out = {"ids": [tokenizer.encode(t, add_special_tokens=False).ids for t in inputs],
           "with_special": tokenizer.encode("Hello world").ids}
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.encode_special_tokens = True
    # Only where it makes a difference: {index: ids}
    unparsed = {str(i): plain.encode(t, add_special_tokens=False).ids for i, t in enumerate(inputs)}
    out["special_as_text"] = {i: ids for i, ids in unparsed.items() if ids != out["ids"][int(i)]}
    # Decoded text where it is not the input itself. Special tokens are left out here: tokenizers 0.23 shows those that
    # are "normalized". What ends a word is spelt for CLIP by transformers, not by tokenizers.
    special = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    decoded = [tokenizer.decode([i for i in ids if i not in special]).replace("</w>", " ") for ids in out["ids"]]
    out["decoded"] = {str(i): text for i, text in enumerate(decoded) if text != inputs[i]}
    out["large"] = {}
    for name in LARGE_TEXTS:
        ids = tokenizer.encode((data / "G_text" / name).read_bytes().decode("utf-8", "replace"), add_special_tokens=False).ids
        out["large"][name] = [len(ids), checksum(ids)]
    return out


def main():
    data, gguf, only = pathlib.Path(sys.argv[1]), sys.argv[2], set(sys.argv[3:])
    folder = data / "B_tokenizers"
    sources = {"smollm2": lambda: smollm2(gguf), "llama3": lambda: llama3(folder / "llama3"), "qwen2": lambda: qwen2(folder / "qwen/qwen.tiktoken")}
    for name in ("falcon-tokenizer", "gpt2", "llama2", "phi-2", "phi-3", "roberta-base", "whisper.tiny"):
        path = folder / "hf_tokenizer_json" / name / "tokenizer.json"
        sources[name] = lambda path=path: from_file(path)
    sources["clip"] = lambda: from_file(folder / "clip/tokenizer.json")
    OUT.mkdir(parents=True, exist_ok=True)
    texts = {"texts": TEXTS, "broken_hex": [b.hex() for b in BROKEN]}
    (OUT / "texts.json").write_text(json.dumps(texts, ensure_ascii=True, indent=0) + "\n")
    for name, load in sources.items():
        if only and name not in only:
            continue
        out = goldens(load(), data)
        (OUT / f"{name}.json").write_text(json.dumps(out, separators=(",", ":")).replace('],[', '],\n[') + "\n")
        print(name, sum(map(len, out["ids"])), "ids")


if __name__ == "__main__":
    main()
