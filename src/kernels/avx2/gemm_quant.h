// One tile of a quantised weight times R rows of x. Standard: 16-bit products summed in i32 over a
// block (no overflow: 255 · 32767 · 32 < 2^28), then one f32 multiply-add with the scales. Exact:
// f32 products in order of k. Either way a row's result does not depend on R.
#pragma once

#include "kernels/avx2/rows16.h"

namespace millrace::kernels::avx2 {
namespace {

// Computes `sum` here: g++ otherwise gathers the whole block's additions at its end and spills
// every product.
MILLRACE_INLINE void settle(__m256i& sum) {
  asm("" : "+x"(sum));
}

// Every 16-bit word shifted so that its bit kFrom becomes bit 4; the caller masks what leaks
// between bytes.
template <int kFrom>
MILLRACE_INLINE __m256i move_to_bit4(__m256i words) {
  if constexpr (kFrom < 4) return _mm256_slli_epi16(words, 4 - kFrom);
  return _mm256_srli_epi16(words, kFrom - 4);
}

// Four bytes of each row: elements 4c .. 4c + 3 of the block, five or six bits each.
template <Quants kQuants, int c>
MILLRACE_INLINE __m256i four_bytes(const uint8_t* block) {
  const __m256i nibbles = load256(block + 32 * (c / 2));
  const __m256i low =
      _mm256_and_si256(c % 2 == 0 ? nibbles : _mm256_srli_epi16(nibbles, 4), _mm256_set1_epi8(0xf));
  constexpr int kPair = kQuants == Quants::six ? c / 4 : 0;
  constexpr int kBit = kQuants == Quants::six ? c % 4 * 2 : c;
  const __m256i high = move_to_bit4<kBit>(load256(block + 128 + 32 * kPair));
  return _mm256_or_si256(
      low, _mm256_and_si256(high, _mm256_set1_epi8(kQuants == Quants::six ? 0x30 : 0x10)));
}

// each(step, w) for steps 2c and 2c + 1 of a block: w holds the step's elements of eight rows as
// 16-bit pairs.
template <Quants kQuants, int c, class Each>
MILLRACE_INLINE void visit_two_steps(const uint8_t* block, const Each& each) {
  if constexpr (kQuants == Quants::eight) {
    each(2 * c, _mm256_cvtepi8_epi16(load128(block + 32 * c)));
    each(2 * c + 1, _mm256_cvtepi8_epi16(load128(block + 32 * c + 16)));
  } else if constexpr (kQuants == Quants::four) {
    const __m256i low = _mm256_set1_epi16(0xf);
    const __m256i nibbles = load256(block + 32 * (c / 2));
    if constexpr (c % 2 == 0) {
      each(2 * c, _mm256_and_si256(nibbles, low));
      each(2 * c + 1, _mm256_and_si256(_mm256_srli_epi16(nibbles, 8), low));
    } else {
      each(2 * c, _mm256_and_si256(_mm256_srli_epi16(nibbles, 4), low));
      each(2 * c + 1, _mm256_srli_epi16(nibbles, 12));
    }
  } else {
    const __m256i bytes = four_bytes<kQuants, c>(block);
    each(2 * c, _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)));
    each(2 * c + 1, _mm256_srli_epi16(bytes, 8));
  }
}

template <Quants kQuants, int kFirst, int kSteps, class Each>
MILLRACE_INLINE void visit(const uint8_t* block, const Each& each) {
  if constexpr (kSteps > 0) {
    visit_two_steps<kQuants, kFirst / 2>(block, each);
    visit<kQuants, kFirst + 2, kSteps - 2>(block, each);
  }
}

// d and m of the eight rows: weight = d · q + m (m only where kHasMin).
struct ScalePair {
  __m256 d, m;
};

template <Scales kScales>
MILLRACE_INLINE ScalePair scales_of(const uint8_t* scales, int block, int unit) {
  const auto b = static_cast<size_t>(block);
  ScalePair pair = {_mm256_set1_ps(1.0f), _mm256_setzero_ps()};
  if constexpr (kScales == Scales::d) pair.d = load_f16(scales + 16 * b);
  if constexpr (kScales == Scales::d_m) {
    pair.d = load_f16(scales + 32 * b);
    pair.m = load_f16(scales + 32 * b + 16);
  }
  if constexpr (kScales == Scales::k) {
    const uint8_t* super = scales + 160 * (b / 8);
    const uint8_t* sub = super + 32 + 16 * (b % 8);
    pair.d = _mm256_mul_ps(load_f16(super), load_u8(sub));
    pair.m =
        _mm256_sub_ps(_mm256_setzero_ps(), _mm256_mul_ps(load_f16(super + 16), load_u8(sub + 8)));
  }
  if constexpr (kScales == Scales::q6) {
    const uint8_t* super = scales + 144 * (b / 8);
    pair.d = _mm256_mul_ps(load_f16(super),
                           load_i8(super + 16 + 8 * (2 * (b % 8) + static_cast<size_t>(unit))));
  }
  return pair;
}

template <DType kKind>
struct QuantFormat {
  static constexpr Format kFormat = format_of(kKind);
  static constexpr Quants kQuants = kFormat.quants;
  static constexpr Scales kScales = kFormat.scales;
  static constexpr int kOffset = kFormat.offset;
  static constexpr bool kHasMin = kScales == Scales::d_m || kScales == Scales::k;
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

// out[r] = the eight sums of row r.
template <class F, bool kExact, int R>
void quant_tile(const uint8_t* tile, size_t quants_at, int blocks, const RowView* rows,
                __m256* out) {
  __m256 total[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) total[r] = _mm256_setzero_ps();
  const uint8_t* quants = tile + quants_at;
  for (int b = 0; b < blocks; ++b, quants += block_bytes(F::kQuants)) {
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
                           __m256* out);

template <class F>
MILLRACE_INLINE QuantTile tile_for_rows(bool exact, int rows) {
  constexpr QuantTile kStandard[] = {quant_tile<F, false, 1>, quant_tile<F, false, 2>,
                                     quant_tile<F, false, 3>, quant_tile<F, false, 4>};
  constexpr QuantTile kExact[] = {quant_tile<F, true, 1>, quant_tile<F, true, 2>,
                                  quant_tile<F, true, 3>, quant_tile<F, true, 4>};
  if (rows == 8) return exact ? quant_tile<F, true, 8> : quant_tile<F, false, 8>;
  return exact ? kExact[rows - 1] : kStandard[rows - 1];
}

// The product of `rows` (1 to 4, or 8) rows of x with a tile of this kind.
inline QuantTile quant_tile_for(DType kind, bool exact, int rows) {
  switch (kind) {
    case DType::q4_0:
      return tile_for_rows<QuantFormat<DType::q4_0>>(exact, rows);
    case DType::q4_1:
      return tile_for_rows<QuantFormat<DType::q4_1>>(exact, rows);
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
