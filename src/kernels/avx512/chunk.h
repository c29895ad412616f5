// A chunk of positions of one KV head, where its K and V lie, and what to ask memory for meanwhile.
#pragma once

#include "kernels/avx512/kv.h"
#include "kernels/avx512/simd.h"
#include "kernels/chunked_attention.h"

namespace millrace::kernels {
namespace {

using chunked::kChunk;
using chunked::Row;
using chunked::Span;

// K and V of one KV head of a sequence, at some positions.
struct Chunk {
  const AttentionArgs& args;
  const KvLayout& layout;
  const int32_t* blocks;  // of the sequence
  int kv_head;
  int begin, end;  // positions; begin is a multiple of 16

  const uint8_t* block(int position) const {
    return static_cast<const uint8_t*>(args.layer_kv) +
           static_cast<size_t>(blocks[position / args.shape.block_tokens]) * layout.block_bytes;
  }
  // Of 16 positions.
  const uint8_t* keys(int position) const {
    const int offset = position % args.shape.block_tokens;
    return block(position) + static_cast<size_t>(kv_head) * layout.k_head_bytes +
           static_cast<size_t>(offset) * layout.depth * kv_element_bytes(args.shape.kind);
  }
  const uint8_t* values(int position) const {
    const int offset = position % args.shape.block_tokens;
    return block(position) + layout.v_offset + static_cast<size_t>(kv_head) * layout.v_head_bytes +
           static_cast<size_t>(offset) * layout.width * kv_element_bytes(args.shape.kind);
  }
  const float* scales(int position, bool of_v) const {
    const auto heads = static_cast<size_t>(args.shape.kv_heads);
    const size_t index = (of_v ? heads : 0) + static_cast<size_t>(kv_head);
    return reinterpret_cast<const float*>(block(position) + layout.scales_offset) +
           index * static_cast<size_t>(args.shape.block_tokens) +
           position % args.shape.block_tokens;
  }
};

// What is asked for while 16 positions of K or V are read: the same number of lines some positions
// further on, after the last of K those of V, after V those of K of the next chunk. Hardware does
// not look past the end of a block.
struct Ahead {
  static constexpr int kDistance = 4;  // groups of 16 positions
  static constexpr int kMost = 2 * kChunk / 16 + kDistance;

  const uint8_t* wanted[kMost];
  int count = 0;

  Ahead(const Chunk& chunk, const Chunk& next) {
    for (int p = chunk.begin; p < chunk.end; p += 16) wanted[count++] = chunk.keys(p);
    for (int p = chunk.begin; p < chunk.end; p += 16) wanted[count++] = chunk.values(p);
    const int most = next.begin + 16 * kDistance;
    for (int p = next.begin; p < next.end && p < most; p += 16) wanted[count++] = next.keys(p);
  }
  // During group i of K, or of V when K's are counted too. With nothing to ask for, what is read.
  const uint8_t* during(int i) const { return wanted[i + kDistance < count ? i + kDistance : i]; }
};

inline Chunk chunk_of(const AttentionArgs& args, const KvLayout& layout, const Span& span) {
  return {.args = args,
          .layout = layout,
          .blocks = span.blocks,
          .kv_head = span.kv_head,
          .begin = span.begin,
          .end = span.end};
}

}  // namespace
}  // namespace millrace::kernels
