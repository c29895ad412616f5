// A KV block. For each KV head, K is [head_dim][block_tokens]: four tokens to a vector, so scores
// need no sum across lanes. V is [block_tokens][head_dim], head_dim padded with zeros to sixteens.
// i8 has one f32 scale a token and head, of K and of V: [2][kv_heads][block_tokens] at the end.
#pragma once

#include "kernels/neon/simd.h"

namespace millrace::kernels::neon {
namespace {

struct KvLayout {
  explicit KvLayout(const KvShape& shape)
      : element(shape.kind == KvKind::f32    ? 4
                : shape.kind == KvKind::bf16 ? 2
                                             : 1),
        tokens(static_cast<size_t>(shape.block_tokens)),
        width(static_cast<size_t>(shape.head_dim)),
        v_width(round_up(width, 16)),
        heads(static_cast<size_t>(shape.kv_heads)),
        v_begin(round_up(heads * width * tokens * element, 64)),
        scales_begin(v_begin + round_up(heads * v_width * tokens * element, 64)),
        block_bytes(scales_begin +
                    (shape.kind == KvKind::i8 ? round_up(2 * heads * tokens * 4, 64) : 0)) {}

  // Byte offsets in a block.
  size_t k_at(size_t head, size_t dim, size_t token) const {
    return ((head * width + dim) * tokens + token) * element;
  }
  size_t v_at(size_t head, size_t token) const {
    return v_begin + (head * tokens + token) * v_width * element;
  }
  size_t k_scale_at(size_t head, size_t token) const {
    return scales_begin + (head * tokens + token) * 4;
  }
  size_t v_scale_at(size_t head, size_t token) const {
    return scales_begin + ((heads + head) * tokens + token) * 4;
  }

  size_t element, tokens, width, v_width, heads;
  size_t v_begin, scales_begin, block_bytes;
};

}  // namespace
}  // namespace millrace::kernels::neon
