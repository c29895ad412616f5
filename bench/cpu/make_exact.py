"""Writes the f32 file that a GGUF's weights stand for exactly, and the text of a list of token ids.

usage: make_exact.py MODEL.gguf TEXTS.json OUT.gguf OUT.txt      OUT.gguf is kept if it is there
"""
import json
import os
import sys

import gguf


def copy_exact(reader, out):
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        of = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=of)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def byte_of_character():
    """Byte-level BPE writes each byte as one printable character: itself where it is one, else from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def text_of(reader, texts):
    tokens, table = reader.fields["tokenizer.ggml.tokens"].contents(), byte_of_character()
    return b"".join(bytes(table[c] for c in tokens[i]) for piece in json.load(open(texts))["pieces"] for i in piece["ids"])


def main():
    source, texts, out, out_text = sys.argv[1:5]
    reader = gguf.GGUFReader(source)
    if not os.path.exists(out):
        copy_exact(reader, out + ".part")
        os.rename(out + ".part", out)
    with open(out_text, "wb") as f:
        f.write(text_of(reader, texts))


if __name__ == "__main__":
    main()
