// Tiles of an f32, f16 or bf16 weight times R rows of x, in f32 and in order of k: one fused
// multiply-add after another.
#include "kernels/neon/gemm.h"

namespace millrace::kernels::neon {
namespace {

// Two elements of four rows.
struct TwoElements {
  float32x4_t first, second;
};
template <DType kKind>
MILLRACE_INLINE TwoElements load_two(const uint8_t* from) {
  if constexpr (kKind == DType::f32) {
    const float* values = reinterpret_cast<const float*>(from);
    return {vld1q_f32(values), vld1q_f32(values + kTileRows)};
  } else if constexpr (kKind == DType::f16) {
    const float16x8_t both = vreinterpretq_f16_u8(load16(from));
    return {vcvt_f32_f16(vget_low_f16(both)), vcvt_high_f32_f16(both)};
  } else {
    const uint16x8_t both = vreinterpretq_u16_u8(load16(from));
    return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(both), 16)),
            vreinterpretq_f32_u32(vshll_high_n_u16(both, 16))};
  }
}
template <DType kKind>
MILLRACE_INLINE float32x4_t load_one(const uint8_t* from) {
  if constexpr (kKind == DType::f32) return vld1q_f32(reinterpret_cast<const float*>(from));
  if constexpr (kKind == DType::f16) return load_f16(from);
  return load_bf16(from);
}

template <DType kKind>
constexpr size_t kElementBytes = (kKind == DType::f32 ? 4 : 2) * kTileRows;  // of four rows

template <int R, int N>
struct Sums {
  float32x4_t of[R][N];
};

// Two elements, whose x are lanes kLane and kLane + 1.
template <DType kKind, int kLane, int R, int N>
MILLRACE_INLINE void add_two(const uint8_t* (&tile)[N], const float32x4_t (&x)[R],
                             Sums<R, N>& sum) {
#pragma GCC unroll 4
  for (int t = 0; t < N; ++t) {
    const TwoElements w = load_two<kKind>(tile[t] + kLane * kElementBytes<kKind>);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      sum.of[r][t] = vfmaq_laneq_f32(sum.of[r][t], w.first, x[r], kLane);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      sum.of[r][t] = vfmaq_laneq_f32(sum.of[r][t], w.second, x[r], kLane + 1);
    }
  }
}

template <DType kKind, int R, int N>
MILLRACE_INLINE void add_four(const uint8_t* (&tile)[N], const float* (&row)[R], Sums<R, N>& sum) {
  float32x4_t x[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    x[r] = vld1q_f32(row[r]);
    row[r] += kLanes;
  }
  add_two<kKind, 0, R, N>(tile, x, sum);
  add_two<kKind, 2, R, N>(tile, x, sum);
#pragma GCC unroll 4
  for (int t = 0; t < N; ++t) tile[t] += kLanes * kElementBytes<kKind>;
}

template <DType kKind, int R, int N>
MILLRACE_INLINE void add_one(const uint8_t* (&tile)[N], const float* (&row)[R], Sums<R, N>& sum) {
#pragma GCC unroll 4
  for (int t = 0; t < N; ++t) {
    const float32x4_t w = load_one<kKind>(tile[t]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) sum.of[r][t] = vfmaq_n_f32(sum.of[r][t], w, *row[r]);
    tile[t] += kElementBytes<kKind>;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) ++row[r];
}

template <DType kKind, int R, int N>
void multiply(const Product& p, float32x4_t* out) {
  const uint8_t* tile[N];
  const float* row[R];
#pragma GCC unroll 4
  for (int t = 0; t < N; ++t) tile[t] = p.tiles + static_cast<size_t>(t) * p.tile_bytes;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    row[r] = reinterpret_cast<const float*>(static_cast<const uint8_t*>(p.rows) +
                                            static_cast<size_t>(r) * p.row_bytes);
  }
  Sums<R, N> sum = {};
  int left = p.k;
  for (; left >= kLanes; left -= kLanes) add_four<kKind, R, N>(tile, row, sum);
  for (; left > 0; --left) add_one<kKind, R, N>(tile, row, sum);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) out[r * N + t] = sum.of[r][t];
  }
}

template <DType kKind>
Multiply for_shape(int rows, int tiles) {
  static constexpr Multiply kOne[] = {multiply<kKind, 1, 1>, multiply<kKind, 2, 1>,
                                      multiply<kKind, 3, 1>, multiply<kKind, 4, 1>};
  static constexpr Multiply kTwo[] = {multiply<kKind, 1, 2>, multiply<kKind, 2, 2>,
                                      multiply<kKind, 3, 2>, multiply<kKind, 4, 2>};
  static constexpr Multiply kFour[] = {multiply<kKind, 1, 4>, multiply<kKind, 2, 4>};
  if (rows == 8) return tiles == 2 ? multiply<kKind, 8, 2> : multiply<kKind, 8, 1>;
  if (tiles == 4) return kFour[rows - 1];
  return tiles == 2 ? kTwo[rows - 1] : kOne[rows - 1];
}

}  // namespace

Multiply multiply_plain(DType kind, int rows, int tiles) {
  switch (kind) {
    case DType::f16:
      return for_shape<DType::f16>(rows, tiles);
    case DType::bf16:
      return for_shape<DType::bf16>(rows, tiles);
    default:
      return for_shape<DType::f32>(rows, tiles);
  }
}

}  // namespace millrace::kernels::neon
