"""Writes the text of a list of token ids.

usage: make_text.py MODEL.gguf TEXTS.json OUT.txt
"""
import json
import sys

import gguf


def byte_of_character():
    """Byte-level BPE writes each byte as one printable character: itself where it is one, else from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def text_of(reader, texts):
    tokens, table = reader.fields["tokenizer.ggml.tokens"].contents(), byte_of_character()
    return b"".join(bytes(table[c] for c in tokens[i]) for piece in json.load(open(texts))["pieces"] for i in piece["ids"])


def main():
    source, texts, out = sys.argv[1:4]
    with open(out, "wb") as f:
        f.write(text_of(gguf.GGUFReader(source), texts))


if __name__ == "__main__":
    main()
