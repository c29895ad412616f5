// What the products on byte planes (gemm.h, VnniInput) share: a group's rows and their sums.
#pragma once

#include "kernels/avx512/decode.h"
#include "kernels/avx512/gemm.h"

namespace millrace::kernels {
namespace {

// One group's rows.
struct Rows {
  const int8_t* planes;
  const float* sums;  // of the first row: of its groups of 16, of 32, and of all
  size_t sums_stride;
  const int32_t* offsets;  // of the first row: -128 times the sums of its groups, as integers
  const float* scales;
};

inline size_t sums_of_a_row(size_t k) {
  return k / 16 + k / 32 + 1;
}

// Integers are added up over so many k before a scale: what shares one within a tile.
template <DType kind>
constexpr int kSpan = kBlocksAScale<kind> > 1 ? kTileK : kGroup<kind>;

// Σ x of group `index` (of kSpan) of row r.
template <DType kind>
inline float sum_of(const Rows& x, int r, size_t index, size_t k) {
  const float* sums = x.sums + static_cast<size_t>(r) * x.sums_stride;
  if constexpr (kSpan<kind> == 16) return sums[index];
  const float* of_32 = sums + k / 16;
  if constexpr (kSpan<kind> == 32) return of_32[index];
  return of_32[2 * index] + of_32[2 * index + 1];
}

// Whether a kind's zero can be taken off the integers: then it has no other offset.
template <DType kind>
constexpr bool kFoldsZero = !kHasMin<kind> && Traits<kind>::scales != Scales::row;

// What Σ code·x of group `index` of row r begins with: -zero·Σ x, because codes are unsigned, or 0
// where an offset is added at the end.
template <DType kind>
inline __m512i start_of(const Rows& x, int r, size_t index, size_t k) {
  if constexpr (kFoldsZero<kind>) {
    static_assert(kSpan<kind> <= 32);
    const int32_t* offsets = x.offsets + static_cast<size_t>(r) * x.sums_stride;
    const __m512i of_128 = _mm512_set1_epi32(offsets[kSpan<kind> == 16 ? index : k / 16 + index]);
    constexpr unsigned kHalvings = 7 - __builtin_ctz(static_cast<unsigned>(Traits<kind>::zero));
    return kHalvings == 0 ? of_128 : _mm512_srai_epi32(of_128, kHalvings);
  } else {
    return _mm512_setzero_si512();
  }
}

inline Rows rows_of(const avx512::VnniInput& x, int first) {
  const auto k = static_cast<size_t>(x.k), row = static_cast<size_t>(first);
  return {x.planes + row * 2 * k, x.sums + row * sums_of_a_row(k), sums_of_a_row(k),
          x.offsets + row * sums_of_a_row(k), x.scales + row};
}

// Tiles of one scale a row (i8) whose products an integer holds: 2^31 > 512 · 64 · 255 · 128.
constexpr int kMostWholeTiles = 512;

}  // namespace
}  // namespace millrace::kernels
