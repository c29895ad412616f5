// Tiles of a quantised weight times R rows of x in f32 (Precision::exact). The products of a block
// (a unit, where it has two scales) are summed in order of k, then scaled and added to the total.
#include "kernels/neon/gemm.h"
#include "kernels/neon/unpack.h"

namespace millrace::kernels::neon {
namespace {

// A lookup that moves byte j of each lane to its top and clears the rest; as a fixed-point number
// that is the quant.
MILLRACE_INLINE uint8x16_t to_top(uint8_t j) {
  const auto at = [&](int row)
                      __attribute__((always_inline)) { return static_cast<uint8_t>(4 * row + j); };
  return uint8x16_t{255, 255, 255, at(0), 255, 255, 255, at(1),
                    255, 255, 255, at(2), 255, 255, 255, at(3)};
}
struct Lookups {
  uint8x16_t of[4];
};
MILLRACE_INLINE Lookups lookups() {
  Lookups result = {{to_top(0), to_top(1), to_top(2), to_top(3)}};
  // Or g++ reads them from memory again and again.
  for (uint8x16_t& lookup : result.of) asm("" : "+w"(lookup));
  return result;
}
template <class F>
MILLRACE_INLINE float32x4_t element_of(int8x16_t w, uint8x16_t lookup) {
  return vcvtq_n_f32_s32(vreinterpretq_s32_s8(vqtbl1q_s8(w, lookup)), 24 + F::kShift);
}

template <int R, int N>
struct Sums {
  float32x4_t of[R][N];
};

// The rows' records of one block, and the tiles' quants of it.
template <int R, int N>
struct Place {
  Lookups lookups;
  const uint8_t* x[R];
  const uint8_t* quants[N];
};

template <class F, int s, int R, int N>
MILLRACE_INLINE void add_step(const Place<R, N>& at, Sums<R, N>& sum) {
  float32x4_t x[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) x[r] = vld1q_f32(reinterpret_cast<const float*>(at.x[r]) + 4 * s);
#pragma GCC unroll 4
  for (int t = 0; t < N; ++t) {
    const int8x16_t w = quants_of_step<F::kQuants, s>(at.quants[t]);
    const uint8x16_t(&to)[4] = at.lookups.of;
    const float32x4_t w0 = element_of<F>(w, to[0]), w1 = element_of<F>(w, to[1]);
    const float32x4_t w2 = element_of<F>(w, to[2]), w3 = element_of<F>(w, to[3]);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      sum.of[r][t] = vfmaq_laneq_f32(sum.of[r][t], w0, x[r], 0);
      sum.of[r][t] = vfmaq_laneq_f32(sum.of[r][t], w1, x[r], 1);
      sum.of[r][t] = vfmaq_laneq_f32(sum.of[r][t], w2, x[r], 2);
      sum.of[r][t] = vfmaq_laneq_f32(sum.of[r][t], w3, x[r], 3);
    }
  }
}

template <class F, int kFirst, int kCount, int R, int N>
MILLRACE_INLINE void add_steps(const Place<R, N>& at, Sums<R, N>& sum) {
  if constexpr (kCount > 0) {
    add_step<F, kFirst, R, N>(at, sum);
    // Or g++ reads what later steps need before this one is done, and spills.
    if constexpr (kFirst % 2 == 1) asm("" ::: "memory");
    add_steps<F, kFirst + 1, kCount - 1, R, N>(at, sum);
  }
}

template <class F, int kUnit, int R, int N>
MILLRACE_INLINE void add_unit(const Place<R, N>& at, const BlockScales (&scales)[N],
                              Sums<R, N>& total) {
  constexpr int kCount = kSteps / F::kUnits;
  Sums<R, N> sum = {};
  add_steps<F, kUnit * kCount, kCount, R, N>(at, sum);
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) {
      total.of[r][t] = vfmaq_f32(total.of[r][t], sum.of[r][t], scales[t].d[kUnit]);
    }
  }
}

template <class F, int R, int N>
MILLRACE_INLINE void add_block(const Product& p, size_t b, const Place<R, N>& at,
                               Sums<R, N>& total) {
  BlockScales scales[N];
#pragma GCC unroll 4
  for (int t = 0; t < N; ++t) {
    scales[t] = scales_of<F>(p.tiles + static_cast<size_t>(t) * p.tile_bytes, b);
  }
  add_unit<F, 0, R, N>(at, scales, total);
  if constexpr (F::kUnits == 2) add_unit<F, 1, R, N>(at, scales, total);
  if constexpr (F::kHasMin) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      float sum;
      memcpy(&sum, at.x[r] + scales_in_record(RowValues::floats), sizeof sum);
#pragma GCC unroll 4
      for (int t = 0; t < N; ++t) {
        total.of[r][t] = vfmaq_n_f32(total.of[r][t], scales[t].m, sum);
      }
    }
  }
}

template <class F, int R, int N>
void multiply(const Product& p, float32x4_t* out) {
  const auto blocks = static_cast<size_t>(ceil_div(p.k, kBlock));
  Place<R, N> at;
  at.lookups = lookups();
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    at.x[r] = static_cast<const uint8_t*>(p.rows) + static_cast<size_t>(r) * p.row_bytes;
  }
#pragma GCC unroll 4
  for (int t = 0; t < N; ++t) {
    at.quants[t] = p.tiles + static_cast<size_t>(t) * p.tile_bytes + p.quants_at;
  }
  Sums<R, N> total = {};
  for (size_t b = 0; b < blocks; ++b) {
    add_block<F, R, N>(p, b, at, total);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) at.x[r] += record_bytes(RowValues::floats);
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) at.quants[t] += block_bytes(F::kQuants);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) {
      float32x4_t sum = total.of[r][t];
      if constexpr (F::kScales == Scales::row) {
        const uint8_t* tile = p.tiles + static_cast<size_t>(t) * p.tile_bytes;
        sum = vmulq_f32(sum, vld1q_f32(reinterpret_cast<const float*>(tile)));
      }
      out[r * N + t] = sum;
    }
  }
}

struct Choose {
  int rows, tiles;
  template <class F>
  Multiply operator()() const {
    static constexpr Multiply kOne[] = {multiply<F, 1, 1>, multiply<F, 2, 1>, multiply<F, 3, 1>,
                                        multiply<F, 4, 1>};
    static constexpr Multiply kTwo[] = {multiply<F, 1, 2>, multiply<F, 2, 2>, multiply<F, 3, 2>,
                                        multiply<F, 4, 2>};
    static constexpr Multiply kFour[] = {multiply<F, 1, 4>, multiply<F, 2, 4>};
    if (rows == 8) return multiply<F, 8, 1>;
    if (tiles == 4) return kFour[rows - 1];
    return tiles == 2 ? kTwo[rows - 1] : kOne[rows - 1];
  }
};

}  // namespace

Multiply multiply_exact(DType kind, int rows, int tiles) {
  return for_kind(kind, Choose{rows, tiles});
}

}  // namespace millrace::kernels::neon
