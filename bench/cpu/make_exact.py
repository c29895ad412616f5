"""Writes the f32 file that a GGUF's weights stand for exactly.

usage: make_exact.py MODEL.gguf OUT.gguf
"""
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


def main():
    source, out = sys.argv[1:3]
    copy_exact(gguf.GGUFReader(source), out + ".part")
    os.rename(out + ".part", out)


if __name__ == "__main__":
    main()
