// One tile of a 4-bit weight times R rows of x in 8 bits (Precision::fast): products of bytes, two
// at a time, are summed in 16 bits over a block (8 · 2 · 15 · 127 < 2^15), which halves the work.
#pragma once

#include "kernels/avx2/gemm_quant.h"

namespace millrace::kernels::avx2 {
namespace {

MILLRACE_INLINE bool can_use_bytes(DType kind) {
  const Format format = format_of(kind);
  return !format.plain && format.quants == Quants::four;
}

template <class F, int R>
MILLRACE_INLINE void byte_block(const uint8_t* scales, const uint8_t* quants, int b,
                                const RowView* rows, __m256* total) {
  __m256i sum[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sum[r] = _mm256_setzero_si256();
  const __m256i low_bits = _mm256_set1_epi8(0xf);
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) {
    const __m256i nibbles = load256(quants + 32 * v);
    const __m256i low = _mm256_and_si256(nibbles, low_bits);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(nibbles, 4), low_bits);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const uint8_t* x = rows[r].values + kBlock * static_cast<size_t>(b) + 8 * v;
      sum[r] = _mm256_add_epi16(sum[r], _mm256_maddubs_epi16(low, broadcast32(x)));
      sum[r] = _mm256_add_epi16(sum[r], _mm256_maddubs_epi16(high, broadcast32(x + 4)));
      settle(sum[r]);
    }
  }
  const ScalePair scale = scales_of<F::kScales>(scales, b, 0);
  const __m256 offset =
      F::kHasMin ? scale.m : _mm256_mul_ps(scale.d, _mm256_set1_ps(-1.0f * F::kOffset));
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const __m256i dot = _mm256_madd_epi16(sum[r], _mm256_set1_epi16(1));
    const __m256 d = _mm256_mul_ps(scale.d, _mm256_set1_ps(rows[r].dx[b]));
    total[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), d, total[r]);
    total[r] = _mm256_fmadd_ps(offset, _mm256_set1_ps(rows[r].sum[b]), total[r]);
  }
}

template <class F, int R>
void byte_tile(const uint8_t* tile, size_t quants_at, int blocks, const RowView* rows, Ahead ahead,
               __m256* out) {
  const size_t bytes_a_block = round_up(ahead.bytes / static_cast<size_t>(blocks), 64);
  __m256 total[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) total[r] = _mm256_setzero_ps();
  const uint8_t* quants = tile + quants_at;
  for (int b = 0; b < blocks; ++b, quants += block_bytes(Quants::four)) {
    fetch_ahead(ahead, bytes_a_block);
    byte_block<F, R>(tile, quants, b, rows, total);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) out[r] = total[r];
}

template <class F>
MILLRACE_INLINE QuantTile byte_tile_for_rows(int rows) {
  static constexpr QuantTile kTiles[] = {byte_tile<F, 1>, byte_tile<F, 2>, byte_tile<F, 3>,
                                         byte_tile<F, 4>};
  return rows == 8 ? byte_tile<F, 8> : kTiles[rows - 1];
}

// The product of 1 to 4 or 8 rows of bytes with a tile of this kind, which can_use_bytes.
inline QuantTile byte_tile_for(DType kind, int rows) {
  switch (kind) {
    case DType::q4_0:
      return byte_tile_for_rows<QuantFormat<DType::q4_0>>(rows);
    case DType::q4_g64:
      return byte_tile_for_rows<QuantFormat<DType::q4_g64>>(rows);
    case DType::q4_g128:
      return byte_tile_for_rows<QuantFormat<DType::q4_g128>>(rows);
    case DType::q4_k:
      return byte_tile_for_rows<QuantFormat<DType::q4_k>>(rows);
    default:
      return byte_tile_for_rows<QuantFormat<DType::q4_1>>(rows);
  }
}

}  // namespace
}  // namespace millrace::kernels::avx2
