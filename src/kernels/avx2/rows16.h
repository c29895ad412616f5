// Rows of x as the quantised products read them. Each block of 32 has its scale, so that
// x ≈ dx · q with 16-bit q (an error of 2^-16 of the block's largest), and its sum, which
// multiplies what weights have in common (minimums and offsets). In Precision::exact the values
// stay f32; in Precision::fast q has 8 bits for weights of 4.
#pragma once

#include "kernels/avx2/layout.h"

namespace millrace::kernels::avx2 {
namespace {

struct RowView {
  const uint8_t*
      values;  // i16 or f32 [padded k], in the order of steps: 0 2 1 3, 4 6 5 7, …; i8 in order
  const float* dx;      // [blocks]; 1 in exact
  const float* sum;     // [blocks] Σ x; of bytes Σ dx · q
  const int32_t* qsum;  // [2 · blocks] Σ q of each 16; words only
};

// The scratch of m such rows.
enum class RowValues : uint8_t { floats, words, bytes };
struct RowStore {
  RowStore(int k, RowValues kind_)
      : blocks(ceil_div(k, kBlock)),
        kind(kind_),
        value_bytes(static_cast<size_t>(blocks) * kBlock *
                    (kind_ == RowValues::floats  ? 4
                     : kind_ == RowValues::words ? 2
                                                 : 1)),
        row_bytes(round_up(value_bytes + static_cast<size_t>(blocks) * 16, 64)) {}
  RowView row(const uint8_t* scratch, int r) const {
    const uint8_t* at = scratch + static_cast<size_t>(r) * row_bytes;
    const auto* meta = reinterpret_cast<const float*>(at + value_bytes);
    return {at, meta, meta + blocks, reinterpret_cast<const int32_t*>(meta + 2 * blocks)};
  }
  int blocks;
  RowValues kind;
  size_t value_bytes, row_bytes;
};

// The values of one block: four vectors, zero past k.
struct Block {
  __m256 v[4];
};
MILLRACE_INLINE Block load_block(const float* x, int left) {
  Block block;
  for (int i = 0; i < 4; ++i) {
    const int count = left - 8 * i;
    block.v[i] = count > 0 ? load_first(x + 8 * i, count) : _mm256_setzero_ps();
  }
  return block;
}

MILLRACE_INLINE int32_t sum_lanes_i32(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

// A row that holds a NaN or an infinity gets NaN scales: it must not turn into plausible numbers.
MILLRACE_INLINE void prepare_block16(const Block& x, float sum, uint8_t* values, float* dx,
                                     int32_t* qsum) {
  const __m256 sign_bit = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_andnot_ps(sign_bit, x.v[0]);
  for (int i = 1; i < 4; ++i) largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign_bit, x.v[i]));
  const float top = max_lanes(largest);
  constexpr float kLimit = 32767.0f;
  constexpr float kTiny = 1e-30f;  // its inverse is still finite
  const bool is_zero = top < kTiny;
  const __m256 inverse = _mm256_set1_ps(is_zero ? 0.0f : kLimit / top);
  *dx = (is_zero ? 0.0f : top / kLimit) + (sum - sum);
  __m256i q[4];
  for (int i = 0; i < 4; ++i) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(x.v[i], inverse));
  qsum[0] = sum_lanes_i32(_mm256_add_epi32(q[0], q[1]));
  qsum[1] = sum_lanes_i32(_mm256_add_epi32(q[2], q[3]));
  for (int i = 0; i < 2; ++i) {  // packs works in 128-bit halves: put them back in order
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(q[2 * i], q[2 * i + 1]), 0xd8);
    words = _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(words, 0xd8), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + 32 * i), words);
  }
}

// Likewise with 8 bits; returns Σ dx · q.
MILLRACE_INLINE float prepare_block8(const Block& x, float sum, uint8_t* values, float* dx) {
  const __m256 sign_bit = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_andnot_ps(sign_bit, x.v[0]);
  for (int i = 1; i < 4; ++i) largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign_bit, x.v[i]));
  const float top = max_lanes(largest);
  constexpr float kTiny = 1e-30f;  // its inverse is still finite
  const bool is_zero = top < kTiny;
  const __m256 inverse = _mm256_set1_ps(is_zero ? 0.0f : 127.0f / top);
  *dx = (is_zero ? 0.0f : top / 127.0f) + (sum - sum);
  __m256i q[4];
  for (int i = 0; i < 4; ++i) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(x.v[i], inverse));
  const __m256i all = _mm256_add_epi32(_mm256_add_epi32(q[0], q[1]), _mm256_add_epi32(q[2], q[3]));
  // Both packs work in 128-bit halves: dwords 0 2 4 6 | 1 3 5 7 of four bytes each.
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(values),
                      _mm256_permutevar8x32_epi32(bytes, order));
  return *dx * static_cast<float>(sum_lanes_i32(all));
}

MILLRACE_INLINE void prepare_row(const RowStore& store, const float* x, int k, uint8_t* scratch,
                                 int r) {
  uint8_t* values = scratch + static_cast<size_t>(r) * store.row_bytes;
  auto* dx = reinterpret_cast<float*>(values + store.value_bytes);
  float* sums = dx + store.blocks;
  auto* qsum = reinterpret_cast<int32_t*>(sums + store.blocks);
  for (int b = 0; b < store.blocks; ++b) {
    const Block block = load_block(x + b * kBlock, k - b * kBlock);
    const __m256 pairs =
        _mm256_add_ps(_mm256_add_ps(block.v[0], block.v[1]), _mm256_add_ps(block.v[2], block.v[3]));
    sums[b] = sum_lanes(pairs);
    if (store.kind == RowValues::bytes) {
      uint8_t* to = values + static_cast<size_t>(b) * kBlock;
      sums[b] = prepare_block8(block, sums[b], to, dx + b);
    } else if (store.kind == RowValues::floats) {
      dx[b] = 1.0f;
      for (int i = 0; i < 4; ++i) {
        _mm256_storeu_ps(reinterpret_cast<float*>(values) + b * kBlock + 8 * i,
                         _mm256_permute_ps(block.v[i], 0xd8));
      }
    } else {
      prepare_block16(block, sums[b], values + static_cast<size_t>(b) * 2 * kBlock, dx + b,
                      qsum + 2 * static_cast<ptrdiff_t>(b));
    }
  }
}

}  // namespace
}  // namespace millrace::kernels::avx2
