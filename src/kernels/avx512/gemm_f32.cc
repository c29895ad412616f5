// x·Wᵀ in f32: a panel is decoded 256 k at a time, then multiplied with every row of x.
#include "kernels/avx512/decode.h"
#include "kernels/avx512/gemm.h"

namespace millrace::kernels {
namespace {

constexpr int kChunk = 256;

// sums[rows][16] += x[rows][count] · decoded[count][16]
template <int rows>
void add_products(const float* x, int64_t x_stride, const float* decoded, int count, float* sums) {
  __m512 acc[rows];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) acc[r] = _mm512_loadu_ps(sums + 16 * r);
  for (int i = 0; i < count; ++i) {
    const __m512 w = _mm512_load_ps(decoded + 16 * i);
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      acc[r] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * x_stride + i]), w, acc[r]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) _mm512_storeu_ps(sums + 16 * r, acc[r]);
}

void add_all_rows(const GemmArgs& args, int first_k, int count, const float* decoded, float* sums) {
  const float* x = args.x + first_k;
  int r = 0;
  for (; r + 12 <= args.m; r += 12) {
    add_products<12>(x + r * args.x_stride, args.x_stride, decoded, count, sums + 16 * r);
  }
  for (; r + 4 <= args.m; r += 4) {
    add_products<4>(x + r * args.x_stride, args.x_stride, decoded, count, sums + 16 * r);
  }
  for (; r < args.m; ++r) {
    add_products<1>(x + r * args.x_stride, args.x_stride, decoded, count, sums + 16 * r);
  }
}

}  // namespace

namespace avx512 {

void multiply_panel_f32(const GemmArgs& args, const PackedWeight& weight, int panel, float* tiles,
                        float* sums) {
  for (int r = 0; r < args.m; ++r) _mm512_storeu_ps(sums + 16 * r, _mm512_setzero_ps());
  with_kind(weight.kind, [&]<DType kind>() {
    const uint8_t* from = panel_at<kind>(weight, panel);
    for (int k = 0; k < args.k; k += kChunk) {
      const int count = args.k - k < kChunk ? args.k - k : kChunk;
      for (int t = 0; t * kTileK < count; ++t) {
        decode_tile<kind>(from, args.k, k / kTileK + t, tiles + t * kTileK * 16);
      }
      add_all_rows(args, k, count, tiles, sums);
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
