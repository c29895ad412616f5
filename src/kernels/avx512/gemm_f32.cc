// x·Wᵀ in f32: a panel is decoded 256 k at a time, then multiplied with every row of x.
#include "kernels/avx512/decode.h"
#include "kernels/avx512/gemm.h"

namespace millrace::kernels {
namespace {

constexpr int kChunk = 256;

// Memory to ask for meanwhile: so many bytes for each k.
struct Ahead {
  const uint8_t* at;
  size_t bytes_a_k;
};

// sums[rows][16] += x[rows][count] · decoded[count][16]
template <int rows>
void add_products(const float* x, int64_t x_stride, const float* decoded, int count, float* sums,
                  Ahead ahead) {
  __m512 acc[rows];
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) acc[r] = _mm512_loadu_ps(sums + 16 * r);
  for (int i = 0; i < count; ++i) {
    const __m512 w = _mm512_load_ps(decoded + 16 * i);
    if (ahead.bytes_a_k != 0) {
      _mm_prefetch(ahead.at + ahead.bytes_a_k * static_cast<size_t>(i), _MM_HINT_T1);
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; ++r) {
      acc[r] = _mm512_fmadd_ps(_mm512_set1_ps(x[r * x_stride + i]), w, acc[r]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < rows; ++r) _mm512_storeu_ps(sums + 16 * r, acc[r]);
}

void add_all_rows(const GemmArgs& args, int first_k, int count, const float* decoded, float* sums,
                  Ahead ahead) {
  const float* x = args.x + first_k;
  int r = 0;
  for (; r + 12 <= args.m; r += 12, ahead.bytes_a_k = 0) {
    add_products<12>(x + r * args.x_stride, args.x_stride, decoded, count, sums + 16 * r, ahead);
  }
  for (; r + 4 <= args.m; r += 4, ahead.bytes_a_k = 0) {
    add_products<4>(x + r * args.x_stride, args.x_stride, decoded, count, sums + 16 * r, ahead);
  }
  for (; r < args.m; ++r, ahead.bytes_a_k = 0) {
    add_products<1>(x + r * args.x_stride, args.x_stride, decoded, count, sums + 16 * r, ahead);
  }
}

// sums[p][r][16] of `panels` panels of a plain kind. The last k ask for the first ones of the
// panels that come next.
template <DType kind, int rows, int panels, Cache into>
void multiply_few(const GemmArgs& args, const PackedWeight& weight, int panel, const uint8_t* next,
                  float* sums) {
  constexpr int step = kind == DType::f32 ? 1 : 2;  // k in a vector
  const size_t bytes = panel_bytes<kind>(weight.k);
  const uint8_t* const from = panel_at<kind>(weight, panel);
  const float* x[rows];
  for (int r = 0; r < rows; ++r) x[r] = args.x + r * args.x_stride;
  __m512 acc[panels][rows];
  for (int p = 0; p < panels; ++p) {
    for (int r = 0; r < rows; ++r) acc[p][r] = _mm512_setzero_ps();
  }
  const auto add = [&](int p, int i, __m512 w) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      acc[p][r] = _mm512_fmadd_ps(_mm512_set1_ps(x[r][i]), w, acc[p][r]);
    }
  };
  // k of [begin, end), asking for as many from `ahead` on.
  const auto run = [&](int begin, int end, const uint8_t* ahead) {
    size_t at = static_cast<size_t>(begin / step) * 64;
    for (int i = begin; i < end; i += step, at += 64, ahead += 64) {
#pragma GCC unroll 4
      for (size_t p = 0; p < panels; ++p) {
        ask<into>(ahead + p * bytes);
        const uint8_t* vector = from + p * bytes + at;
        if constexpr (kind == DType::f32) {
          add(static_cast<int>(p), i, _mm512_loadu_ps(vector));
        } else {
          const EvenOdd w = even_and_odd<kind>(_mm512_loadu_si512(vector));
          add(static_cast<int>(p), i, w.even);
          if (i + 1 < end) add(static_cast<int>(p), i + 1, w.odd);
        }
      }
    }
  };
  const int asked_k = static_cast<int>(kAskedFloats) / 64 * step;
  const int rest = args.k > asked_k ? (args.k - asked_k) / step * step : 0;
  run(0, rest, from + kAskedFloats);
  run(rest, args.k, next);
  for (int p = 0; p < panels; ++p) {
    for (int r = 0; r < rows; ++r) _mm512_storeu_ps(sums + 16 * (p * rows + r), acc[p][r]);
  }
}

template <DType kind, int rows, Cache into>
void multiply_few_panels(const GemmArgs& args, const PackedWeight& weight, int panel, int count,
                         const uint8_t* next, float* sums) {
  if (count == avx512::kSideBySide) {
    return multiply_few<kind, rows, avx512::kSideBySide, into>(args, weight, panel, next, sums);
  }
  for (; count > 0; ++panel, --count, sums += 16 * rows) {
    const uint8_t* behind = panel_at<kind>(weight, panel) + panel_bytes<kind>(weight.k);
    multiply_few<kind, rows, 1, into>(args, weight, panel, count > 1 ? behind : next, sums);
  }
}

template <DType kind, Cache into>
void multiply_few_rows(const GemmArgs& args, const PackedWeight& weight, int panel, int count,
                       const uint8_t* next, float* sums) {
  switch (args.m) {
    case 1:
      return multiply_few_panels<kind, 1, into>(args, weight, panel, count, next, sums);
    case 2:
      return multiply_few_panels<kind, 2, into>(args, weight, panel, count, next, sums);
    case 3:
      return multiply_few_panels<kind, 3, into>(args, weight, panel, count, next, sums);
    default:
      return multiply_few_panels<kind, 4, into>(args, weight, panel, count, next, sums);
  }
}

}  // namespace

namespace avx512 {

void multiply_panels_few(const GemmArgs& args, const PackedWeight& weight, int panel, int count,
                         const uint8_t* next, float* sums) {
  const auto multiply = [&]<Cache into>() {
    switch (weight.kind) {
      case DType::f32:
        return multiply_few_rows<DType::f32, into>(args, weight, panel, count, next, sums);
      case DType::bf16:
        return multiply_few_rows<DType::bf16, into>(args, weight, panel, count, next, sums);
      default:
        return multiply_few_rows<DType::f16, into>(args, weight, panel, count, next, sums);
    }
  };
  if (cache_to_ask() == Cache::second) return multiply.template operator()<Cache::second>();
  multiply.template operator()<Cache::first>();
}

void multiply_panel_f32(const GemmArgs& args, const PackedWeight& weight, int panel, float* tiles,
                        float* sums) {
  for (int r = 0; r < args.m; ++r) _mm512_storeu_ps(sums + 16 * r, _mm512_setzero_ps());
  with_kind(weight.kind, [&]<DType kind>() {
    const uint8_t* from = panel_at<kind>(weight, panel);
    const size_t bytes_a_k = panel_bytes<kind>(args.k) / padded_k(args.k);
    for (int k = 0; k < args.k; k += kChunk) {
      const int count = args.k - k < kChunk ? args.k - k : kChunk;
      for (int t = 0; t * kTileK < count; ++t) {
        decode_tile<kind>(from, args.k, k / kTileK + t, tiles + t * kTileK * 16);
      }
      const uint8_t* next = from + bytes_a_k * static_cast<size_t>(k + kChunk);
      add_all_rows(args, k, count, tiles, sums, {next, bytes_a_k});
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
