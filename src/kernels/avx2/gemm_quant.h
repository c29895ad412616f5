// One tile of a quantised weight times R rows of x. Standard: 16-bit products summed in i32 over a
// block (no overflow: 255 · 32767 · 32 < 2^28), then one f32 multiply-add with the scales. Exact:
// f32 products in order of k. Either way a row's result does not depend on R.
#pragma once

#include "kernels/avx2/rows16.h"
#include "kernels/avx2/unpack.h"

namespace millrace::kernels::avx2 {
namespace {

// Computes `sum` here: g++ otherwise gathers the whole block's additions at its end and spills
// every product.
MILLRACE_INLINE void settle(__m256i& sum) {
  asm("" : "+x"(sum));
}

template <DType kKind>
struct QuantFormat {
  static constexpr Format kFormat = format_of(kKind);
  static constexpr Quants kQuants = kFormat.quants;
  static constexpr Scales kScales = kFormat.scales;
  static constexpr int kOffset = kFormat.offset;
  static constexpr bool kHasMin = kBlocksOfMin<kScales> != 0 || kScales == Scales::k;
  static constexpr int kUnits = kScales == Scales::q6 ? 2 : 1;  // scales a block
};

// Σ q of one unit.
template <class F>
MILLRACE_INLINE int32_t unit_qsum(const RowView& row, int block, int unit) {
  const int32_t* halves = row.qsum + 2 * static_cast<ptrdiff_t>(block);
  return F::kUnits == 2 ? halves[unit] : halves[0] + halves[1];
}

// total[r] += (the sum of one unit, already f32) · scales.
template <class F, int R>
MILLRACE_INLINE void standard_block(const uint8_t* scales, const uint8_t* quants, int b,
                                    const RowView* rows, __m256* total) {
  constexpr int kSteps = 16 / F::kUnits;
  const auto unit = [&]<int kUnit>() __attribute__((always_inline)) {
    __m256i sum[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r] = _mm256_setzero_si256();
    visit<F::kQuants, kUnit * kSteps, kSteps>(
        quants, [&](int step, __m256i w) __attribute__((always_inline)) {
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) {
            const __m256i x = broadcast32(rows[r].values + 64 * static_cast<size_t>(b) +
                                          4 * static_cast<size_t>(step));
            sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(w, x));
            settle(sum[r]);
          }
        });
    const ScalePair scale = scales_of<F::kScales>(scales, b, kUnit);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      if constexpr (F::kOffset != 0) {
        sum[r] = _mm256_sub_epi32(sum[r],
                                  _mm256_set1_epi32(F::kOffset * unit_qsum<F>(rows[r], b, kUnit)));
      }
      const __m256 d = F::kScales == Scales::row
                           ? _mm256_set1_ps(rows[r].dx[b])
                           : _mm256_mul_ps(scale.d, _mm256_set1_ps(rows[r].dx[b]));
      total[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r]), d, total[r]);
      if constexpr (F::kHasMin) {
        total[r] = _mm256_fmadd_ps(scale.m, _mm256_set1_ps(rows[r].sum[b]), total[r]);
      }
    }
  };
  unit.template operator()<0>();
  if constexpr (F::kUnits == 2) unit.template operator()<1>();
}

template <class F, int R>
MILLRACE_INLINE void exact_block(const uint8_t* scales, const uint8_t* quants, int b,
                                 const RowView* rows, __m256* total) {
  constexpr int kSteps = 16 / F::kUnits;
  const auto unit = [&]<int kUnit>() __attribute__((always_inline)) {
    __m256 sum[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum[r] = _mm256_setzero_ps();
    visit<F::kQuants, kUnit * kSteps, kSteps>(
        quants, [&](int step, __m256i words) __attribute__((always_inline)) {
          const __m256i w = _mm256_sub_epi16(words, _mm256_set1_epi16(F::kOffset));
          const __m256 first = _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(w, 16), 16));
          const __m256 second = _mm256_cvtepi32_ps(_mm256_srai_epi32(w, 16));
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) {
            const auto* x = reinterpret_cast<const float*>(rows[r].values) + 32 * b + 2 * step;
            sum[r] = _mm256_fmadd_ps(first, _mm256_broadcast_ss(x), sum[r]);
            sum[r] = _mm256_fmadd_ps(second, _mm256_broadcast_ss(x + 1), sum[r]);
          }
        });
    const ScalePair scale = scales_of<F::kScales>(scales, b, kUnit);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      total[r] = _mm256_fmadd_ps(sum[r], scale.d, total[r]);
      if constexpr (F::kHasMin) {
        total[r] = _mm256_fmadd_ps(scale.m, _mm256_set1_ps(rows[r].sum[b]), total[r]);
      }
    }
  };
  unit.template operator()<0>();
  if constexpr (F::kUnits == 2) unit.template operator()<1>();
}

// Memory to ask for while a tile is multiplied: `bytes` from `at` on, spread over its blocks.
struct Ahead {
  const uint8_t* at;
  size_t bytes;
};
MILLRACE_INLINE void fetch_ahead(Ahead& ahead, size_t bytes_a_block) {
  for (size_t i = 0; i < bytes_a_block && i < ahead.bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(ahead.at + i), _MM_HINT_T1);
  }
  ahead.at += bytes_a_block;
  ahead.bytes = ahead.bytes > bytes_a_block ? ahead.bytes - bytes_a_block : 0;
}

// out[r] = the eight sums of row r.
template <class F, bool kExact, int R>
void quant_tile(const uint8_t* tile, size_t quants_at, int blocks, const RowView* rows, Ahead ahead,
                __m256* out) {
  const size_t bytes_a_block = round_up(ahead.bytes / static_cast<size_t>(blocks), 64);
  __m256 total[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) total[r] = _mm256_setzero_ps();
  const uint8_t* quants = tile + quants_at;
  for (int b = 0; b < blocks; ++b, quants += block_bytes(F::kQuants)) {
    fetch_ahead(ahead, bytes_a_block);
    if constexpr (kExact) {
      exact_block<F, R>(tile, quants, b, rows, total);
    } else {
      standard_block<F, R>(tile, quants, b, rows, total);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    if constexpr (F::kScales == Scales::row) {
      total[r] = _mm256_mul_ps(total[r], _mm256_loadu_ps(reinterpret_cast<const float*>(tile)));
    }
    out[r] = total[r];
  }
}

using QuantTile = void (*)(const uint8_t* tile, size_t quants_at, int blocks, const RowView* rows,
                           Ahead ahead, __m256* out);

template <class F>
MILLRACE_INLINE QuantTile tile_for_rows(bool exact, int rows) {
  static constexpr QuantTile kStandard[] = {quant_tile<F, false, 1>, quant_tile<F, false, 2>,
                                            quant_tile<F, false, 3>, quant_tile<F, false, 4>};
  static constexpr QuantTile kExact[] = {quant_tile<F, true, 1>, quant_tile<F, true, 2>,
                                         quant_tile<F, true, 3>, quant_tile<F, true, 4>};
  if (rows == 8) return quant_tile<F, false, 8>;
  return exact ? kExact[rows - 1] : kStandard[rows - 1];
}

// The product of `rows` (1 to 4; 8 in standard) rows of x with a tile of this kind.
inline QuantTile quant_tile_for(DType kind, bool exact, int rows) {
  switch (kind) {
    case DType::q4_0:
      return tile_for_rows<QuantFormat<DType::q4_0>>(exact, rows);
    case DType::q4_1:
      return tile_for_rows<QuantFormat<DType::q4_1>>(exact, rows);
    case DType::q4_g64:
      return tile_for_rows<QuantFormat<DType::q4_g64>>(exact, rows);
    case DType::q4_g128:
      return tile_for_rows<QuantFormat<DType::q4_g128>>(exact, rows);
    case DType::q4_k:
      return tile_for_rows<QuantFormat<DType::q4_k>>(exact, rows);
    case DType::q5_0:
      return tile_for_rows<QuantFormat<DType::q5_0>>(exact, rows);
    case DType::q5_1:
      return tile_for_rows<QuantFormat<DType::q5_1>>(exact, rows);
    case DType::q5_k:
      return tile_for_rows<QuantFormat<DType::q5_k>>(exact, rows);
    case DType::q6_k:
      return tile_for_rows<QuantFormat<DType::q6_k>>(exact, rows);
    case DType::i8:
      return tile_for_rows<QuantFormat<DType::i8>>(exact, rows);
    default:
      return tile_for_rows<QuantFormat<DType::q8_0>>(exact, rows);
  }
}

}  // namespace
}  // namespace millrace::kernels::avx2
