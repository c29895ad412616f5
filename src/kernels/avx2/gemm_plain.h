// Tiles of an f32, f16 or bf16 weight times R rows of x, in f32 and in order of k: one fused
// multiply-add after another, so a row's result does not depend on R or on how many tiles go
// together.
#pragma once

#include "kernels/avx2/layout.h"

namespace millrace::kernels::avx2 {
namespace {

struct PlainRows {
  const float* x;
  int64_t stride;
};

template <int R, int N>
MILLRACE_INLINE void plain_step(const __m256* w, const PlainRows& rows, int k,
                                __m256 (&sum)[R][N]) {
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
    const __m256 x = _mm256_broadcast_ss(rows.x + r * rows.stride + k);
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) sum[r][t] = _mm256_fmadd_ps(w[t], x, sum[r][t]);
  }
}

// out[r * N + t] = the eight sums of row r and tile t.
template <DType kKind, int R, int N>
void plain_tiles(const uint8_t* tile, size_t bytes_a_tile, int k, PlainRows rows, __m256* out) {
  __m256 sum[R][N];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) sum[r][t] = _mm256_setzero_ps();
  }
  if constexpr (kKind == DType::bf16) {
    const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    const auto pair = [&](int t, int i) __attribute__((always_inline)) {
      return load256(tile + static_cast<size_t>(t) * bytes_a_tile + static_cast<size_t>(i) * 16);
    };
    for (int i = 0; i < k; i += 2) {
      __m256 w[N];
#pragma GCC unroll 4
      for (int t = 0; t < N; ++t) w[t] = _mm256_castsi256_ps(_mm256_slli_epi32(pair(t, i), 16));
      plain_step<R, N>(w, rows, i, sum);
      if (i + 1 == k) break;
      if (R * N > 8)
        asm volatile("" ::: "memory");  // loaded again: g++ 12 would spill sums instead
#pragma GCC unroll 4
      for (int t = 0; t < N; ++t) w[t] = _mm256_castsi256_ps(_mm256_and_si256(pair(t, i), high));
      plain_step<R, N>(w, rows, i + 1, sum);
    }
  } else {
    for (int i = 0; i < k; ++i) {
      __m256 w[N];
#pragma GCC unroll 4
      for (int t = 0; t < N; ++t) {
        const uint8_t* from = tile + static_cast<size_t>(t) * bytes_a_tile;
        w[t] = kKind == DType::f32
                   ? _mm256_loadu_ps(reinterpret_cast<const float*>(from) + std::ptrdiff_t{i} * 8)
                   : load_f16(from + static_cast<size_t>(i) * 16);
      }
      plain_step<R, N>(w, rows, i, sum);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int t = 0; t < N; ++t) out[r * N + t] = sum[r][t];
  }
}

using PlainTiles = void (*)(const uint8_t* tile, size_t bytes_a_tile, int k, PlainRows rows,
                            __m256* out);

template <DType kKind>
MILLRACE_INLINE PlainTiles plain_for_rows(int rows, int tiles) {
  static constexpr PlainTiles kOne[] = {plain_tiles<kKind, 1, 1>, plain_tiles<kKind, 2, 1>,
                                        plain_tiles<kKind, 3, 1>, plain_tiles<kKind, 4, 1>,
                                        plain_tiles<kKind, 5, 1>, plain_tiles<kKind, 6, 1>};
  static constexpr PlainTiles kTwo[] = {plain_tiles<kKind, 1, 2>, plain_tiles<kKind, 2, 2>,
                                        plain_tiles<kKind, 3, 2>, plain_tiles<kKind, 4, 2>,
                                        plain_tiles<kKind, 5, 2>, plain_tiles<kKind, 6, 2>};
  static constexpr PlainTiles kFour[] = {plain_tiles<kKind, 1, 4>, plain_tiles<kKind, 2, 4>};
  if (tiles == 4) return kFour[rows - 1];
  return tiles == 2 ? kTwo[rows - 1] : kOne[rows - 1];
}

// rows 1 to 6; tiles 1 or 2, or 4 with at most two rows: twelve sums hide their latency and leave
// registers for two weights, an x and a mask.
inline PlainTiles plain_tiles_for(DType kind, int rows, int tiles) {
  switch (kind) {
    case DType::f16:
      return plain_for_rows<DType::f16>(rows, tiles);
    case DType::bf16:
      return plain_for_rows<DType::bf16>(rows, tiles);
    default:
      return plain_for_rows<DType::f32>(rows, tiles);
  }
}

}  // namespace
}  // namespace millrace::kernels::avx2
