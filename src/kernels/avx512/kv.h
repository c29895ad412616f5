// A KV block: K of all heads, V of all heads, then (i8) their scales.
//
//   K of a head   [tokens/16][depth/g][16 tokens][g], g = 1 (f32), 2 (bf16), 4 (i8): one vector
//   holds g
//                 dims of 16 tokens, which is also a row of an AMX B tile; depth is head_dim padded
//                 to 4
//   V of a head   f32, i8: [tokens][width]; bf16: [tokens/2][width][2]; width is head_dim padded to
//   16 scales        f32 K [kv_heads][tokens], then V the same
//
// Padding dims are zero; slots of tokens not yet stored may hold anything.
#pragma once

#include "kernels/avx512/panel.h"

namespace millrace::kernels {
namespace {

inline size_t kv_element_bytes(KvKind kind) {
  return kind == KvKind::f32 ? 4 : kind == KvKind::bf16 ? 2 : 1;
}

struct KvLayout {
  size_t depth, width;                // padded head_dim of K and of V
  size_t k_head_bytes, v_head_bytes;  // of one head in one block
  size_t v_offset, scales_offset, block_bytes;
};

inline KvLayout kv_layout(const KvShape& shape) {
  KvLayout out;
  const auto dim = static_cast<size_t>(shape.head_dim), heads = static_cast<size_t>(shape.kv_heads);
  const auto tokens = static_cast<size_t>(shape.block_tokens);
  const size_t element = kv_element_bytes(shape.kind);
  out.depth = round_up(dim, size_t{4});
  out.width = round_up(dim, size_t{16});
  out.k_head_bytes = tokens * out.depth * element;
  out.v_head_bytes = tokens * out.width * element;
  out.v_offset = heads * out.k_head_bytes;
  out.scales_offset = out.v_offset + heads * out.v_head_bytes;
  const size_t scales = shape.kind == KvKind::i8 ? 2 * heads * tokens * sizeof(float) : 0;
  out.block_bytes = round_up(out.scales_offset + scales, size_t{64});
  return out;
}

}  // namespace
}  // namespace millrace::kernels
