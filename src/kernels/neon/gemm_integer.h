// Tiles of a quantised weight times R rows of integers: products of bytes summed in i32 over a
// block (no overflow: 32 · 2^7 · 2^15 < 2^28), then one f32 multiply-add with the scales.
#pragma once

#include "kernels/neon/gemm.h"
#include "kernels/neon/unpack.h"

namespace millrace::kernels::neon {
namespace {

// Four steps: sixteen elements of each of four rows times those of one x.
MILLRACE_INLINE int32x4_t add_dots(int32x4_t sum, const int8x16_t* w, const uint8_t* x) {
  const int8x16_t values = load16_signed(x);
  sum = vdotq_laneq_s32(sum, w[0], values, 0);
  sum = vdotq_laneq_s32(sum, w[1], values, 1);
  sum = vdotq_laneq_s32(sum, w[2], values, 2);
  return vdotq_laneq_s32(sum, w[3], values, 3);
}

// The sum of one unit of a block. Of planes the upper bytes come first: shifted, their sum is where
// that of the lower ones begins, so one register does.
template <class F, RowValues kValues, int kUnit>
MILLRACE_INLINE float32x4_t unit_sum(const int8x16_t (&w)[kSteps], const uint8_t* x) {
  constexpr int kHalves = 2 / F::kUnits;
  const auto add_halves = [&](int32x4_t sum, const uint8_t* from) __attribute__((always_inline)) {
    constexpr int kFirst = kUnit * kHalves;
    sum = add_dots(sum, w + 4 * kFirst, from + 16 * kFirst);
    if constexpr (kHalves == 2) sum = add_dots(sum, w + 4, from + 16);
    return sum;
  };
  int32x4_t sum = add_halves(vdupq_n_s32(0), x);
  if constexpr (kValues == RowValues::planes) {
    sum = add_halves(vshlq_n_s32(sum, 8), x + kBlock);
  }
  if constexpr (F::kShift == 0) {
    return vcvtq_f32_s32(sum);
  } else {
    return vcvtq_n_f32_s32(sum, F::kShift);
  }
}

template <class F, RowValues kValues>
MILLRACE_INLINE void add_row(const int8x16_t (&w)[kSteps], const BlockScales& scales,
                             const uint8_t* x, float32x4_t& total) {
  // dx and the block's sum
  const float32x2_t pair = vld1_f32(reinterpret_cast<const float*>(x + scales_in_record(kValues)));
  const auto add_unit = [&]<int kUnit>() __attribute__((always_inline)) {
    const float32x4_t sum = unit_sum<F, kValues, kUnit>(w, x);
    if constexpr (F::kScales == Scales::row) {
      total = vfmaq_lane_f32(total, sum, pair, 0);
    } else {
      total = vfmaq_f32(total, sum, vmulq_lane_f32(scales.d[kUnit], pair, 0));
    }
  };
  add_unit.template operator()<0>();
  if constexpr (F::kUnits == 2) add_unit.template operator()<1>();
  if constexpr (F::kHasMin) total = vfmaq_lane_f32(total, scales.m, pair, 1);
}

template <class F, RowValues kValues, int R, int N>
void multiply(const Product& p, float32x4_t* out) {
  const auto blocks = static_cast<size_t>(ceil_div(p.k, kBlock));
  const uint8_t* x[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    x[r] = static_cast<const uint8_t*>(p.rows) + static_cast<size_t>(r) * p.row_bytes;
  }
  float32x4_t total[R][N] = {};
  for (size_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 2
    for (int t = 0; t < N; ++t) {
      const uint8_t* tile = p.tiles + static_cast<size_t>(t) * p.tile_bytes;
      int8x16_t w[kSteps];
      unpack_block<F::kQuants>(tile + p.quants_at + b * block_bytes(F::kQuants), w);
      const BlockScales scales = scales_of<F>(tile, b);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) add_row<F, kValues>(w, scales, x[r], total[r][t]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) x[r] += record_bytes(kValues);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int t = 0; t < N; ++t) {
      if constexpr (F::kScales == Scales::row) {
        const uint8_t* tile = p.tiles + static_cast<size_t>(t) * p.tile_bytes;
        total[r][t] = vmulq_f32(total[r][t], vld1q_f32(reinterpret_cast<const float*>(tile)));
      }
      out[r * N + t] = total[r][t];
    }
  }
}

template <RowValues kValues>
struct Choose {
  int rows, tiles;
  template <class F>
  Multiply operator()() const {
    static constexpr Multiply kOne[] = {multiply<F, kValues, 1, 1>, multiply<F, kValues, 2, 1>,
                                        multiply<F, kValues, 3, 1>, multiply<F, kValues, 4, 1>};
    static constexpr Multiply kTwo[] = {multiply<F, kValues, 1, 2>, multiply<F, kValues, 2, 2>};
    if (rows == 8) return multiply<F, kValues, 8, 1>;
    return tiles == 2 ? kTwo[rows - 1] : kOne[rows - 1];
  }
};

}  // namespace
}  // namespace millrace::kernels::neon
