// Few rows of x against quantised weights: codes are the unsigned operand of vpdpbusd, byte planes
// of x the signed one, broadcast four k at a time; each group of k is then scaled once.
#include "kernels/avx512/decode.h"
#include "kernels/avx512/gemm.h"
#include "kernels/avx512/quantize.h"

namespace millrace::kernels {
namespace {

inline __m512i broadcast4(const int8_t* from) {
  int32_t four;
  __builtin_memcpy(&four, from, sizeof four);
  return _mm512_set1_epi32(four);
}

template <DType kind, int rows>
void multiply(const avx512::VnniInput& x, const PackedWeight& weight, int panel, float* sums) {
  constexpr Values values = Traits<kind>::values;
  constexpr int group = kGroup<kind>, groups = kTileK / group;
  const uint8_t* tile = panel_at<kind>(weight, panel);
  const uint8_t* scales = tile + values_bytes<kind>(weight.k);
  const int num_tiles = static_cast<int>(padded_k(weight.k)) / kTileK;
  Lookahead ahead(tile, panel_bytes<kind>(weight.k));
  __m512 acc[rows], offset[rows];
  for (int m = 0; m < rows; ++m) acc[m] = offset[m] = _mm512_setzero_ps();
  for (int t = 0; t < num_tiles; ++t, tile += kTileBytes<values>) {
    ahead.upto(t + 1, num_tiles);
#pragma GCC unroll 4
    for (int g = 0; g < groups; ++g) {
      __m512i high[rows], low[rows];
      for (int m = 0; m < rows; ++m) high[m] = low[m] = _mm512_setzero_si512();
#pragma GCC unroll 8
      for (int i = 0; i < group / 4; ++i) {
        const __m512i codes = code_row<values>(tile, g * (group / 4) + i);
        const int k = t * kTileK + g * group + 4 * i;
        for (int m = 0; m < rows; ++m) {
          high[m] = _mm512_dpbusd_epi32(high[m], codes, broadcast4(x.high[m] + k));
          low[m] = _mm512_dpbusd_epi32(low[m], codes, broadcast4(x.low[m] + k));
        }
      }
      const size_t index = static_cast<size_t>(t * groups + g);
      ScaleMin s = scale_min<kind>(scales, index);
      if constexpr (!kHasMin<kind>) {
        s.m = _mm512_mul_ps(s.d, _mm512_set1_ps(-static_cast<float>(Traits<kind>::zero)));
      }
      for (int m = 0; m < rows; ++m) {
        const __m512i dot = _mm512_add_epi32(_mm512_slli_epi32(high[m], 8), low[m]);
        const float* group_sums = group == 16 ? x.sums16[m] : x.sums32[m];
        acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), s.d, acc[m]);
        offset[m] = _mm512_fmadd_ps(s.m, _mm512_set1_ps(group_sums[index]), offset[m]);
      }
    }
  }
  for (int m = 0; m < rows; ++m) {
    const __m512 total = _mm512_add_ps(acc[m], offset[m]);
    _mm512_storeu_ps(sums + 16 * m, _mm512_mul_ps(total, _mm512_set1_ps(x.scale[m])));
  }
}

}  // namespace

namespace avx512 {

size_t vnni_scratch(int m, int k) {
  const size_t row = padded_k(k);
  return static_cast<size_t>(m) * (2 * row + round_up(row / 4 + row / 8, size_t{64}));
}

VnniInput vnni_quantize(const GemmArgs& args, void* scratch) {
  VnniInput out = {};
  auto* at = static_cast<int8_t*>(scratch);
  const size_t row = padded_k(args.k);
  for (int m = 0; m < args.m; ++m) {
    int8_t* high = at;
    int8_t* low = at + row;
    auto* sums16 = reinterpret_cast<float*>(at + 2 * row);
    float* sums32 = sums16 + row / 16;
    out.scale[m] = quantize_row(args.x + m * args.x_stride, args.k, sums16, sums32,
                                [&](int b, __m256i h, __m256i l) {
                                  _mm256_storeu_si256(reinterpret_cast<__m256i*>(high + 32 * b), h);
                                  _mm256_storeu_si256(reinterpret_cast<__m256i*>(low + 32 * b), l);
                                });
    out.high[m] = high;
    out.low[m] = low;
    out.sums16[m] = sums16;
    out.sums32[m] = sums32;
    at += vnni_scratch(1, args.k);
  }
  return out;
}

bool vnni_can(DType kind) {
  return kind != DType::f32 && kind != DType::bf16 && kind != DType::f16;
}

void multiply_panel_vnni(const VnniInput& x, int m, const PackedWeight& weight, int panel,
                         float* sums) {
  with_kind(weight.kind, [&]<DType kind>() {
    if constexpr (Traits<kind>::values != Values::f32 && Traits<kind>::values != Values::pair) {
      switch (m) {
        case 1:
          return multiply<kind, 1>(x, weight, panel, sums);
        case 2:
          return multiply<kind, 2>(x, weight, panel, sums);
        case 3:
          return multiply<kind, 3>(x, weight, panel, sums);
        default:
          return multiply<kind, 4>(x, weight, panel, sums);
      }
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
