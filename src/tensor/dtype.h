// Element types, plain and block-quantised. Only the enum and declarations live here: kernel files,
// compiled for one machine, include this header and must not emit inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i8,
  i16,
  i32,
  i64,
  u8,
  u16,
  u32,
  u64,
  boolean,
  bytes,  // variable-length strings (KServe BYTES)
  // GGUF block formats: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q4_k,
  q5_k,
  q6_k,
  // Our own: groups of 64 and 128 of one row, f16 d, f16 m, then the nibbles of each 32 as in q4_1:
  // d·q + m.
  q4_g64,
  q4_g128,
};

// Elements a block (1 for plain types) and bytes a block. bytes has neither (0, 0).
std::size_t dtype_block_elements(DType type);
std::size_t dtype_block_bytes(DType type);
const char* dtype_name(DType type);  // "f32", "q4_k", …

}  // namespace millrace
