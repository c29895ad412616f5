#include "kernels/avx2/simd.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

// Σ (x - mean)², the same order of additions for every caller.
MILLRACE_INLINE float sum_squares(const float* x, int width, float mean) {
  const __m256 m = _mm256_set1_ps(mean);
  __m256 a = _mm256_setzero_ps(), b = a;
  int i = 0;
  for (; i + 16 <= width; i += 16) {
    const __m256 u = _mm256_sub_ps(_mm256_loadu_ps(x + i), m);
    const __m256 v = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), m);
    a = _mm256_fmadd_ps(u, u, a);
    b = _mm256_fmadd_ps(v, v, b);
  }
  for (; i < width; i += 8) {
    const __m256 mask = _mm256_castsi256_ps(first_lanes(smaller(8, width - i)));
    const __m256 u = _mm256_and_ps(mask, _mm256_sub_ps(load_first(x + i, width - i), m));
    a = _mm256_fmadd_ps(u, u, a);
  }
  return sum_lanes(_mm256_add_ps(a, b));
}

MILLRACE_INLINE float sum_row(const float* x, int width) {
  __m256 a = _mm256_setzero_ps();
  for (int i = 0; i < width; i += 8) a = _mm256_add_ps(a, load_first(x + i, width - i));
  return sum_lanes(a);
}

void rms_row(const NormArgs& args, const float* x, float* out) {
  const float squares = sum_squares(x, args.width, 0.0f);
  const __m256 scale =
      _mm256_set1_ps(1.0f / __builtin_sqrtf(squares / static_cast<float>(args.width) + args.eps));
  const __m256 offset = _mm256_set1_ps(args.weight_offset);
  for (int i = 0; i < args.width; i += 8) {
    const int left = args.width - i;
    const __m256 w = _mm256_add_ps(load_first(args.weight + i, left), offset);
    store_first(out + i, _mm256_mul_ps(_mm256_mul_ps(load_first(x + i, left), scale), w), left);
  }
}

void layer_row(const NormArgs& args, const float* x, float* out) {
  const auto width = static_cast<float>(args.width);
  const float mean = sum_row(x, args.width) / width;
  const float variance = sum_squares(x, args.width, mean) / width;
  const __m256 scale = _mm256_set1_ps(1.0f / __builtin_sqrtf(variance + args.eps));
  const __m256 center = _mm256_set1_ps(mean);
  const __m256 offset = _mm256_set1_ps(args.weight_offset);
  for (int i = 0; i < args.width; i += 8) {
    const int left = args.width - i;
    const __m256 w = _mm256_add_ps(load_first(args.weight + i, left), offset);
    const __m256 shift =
        args.bias != nullptr ? load_first(args.bias + i, left) : _mm256_setzero_ps();
    const __m256 normal = _mm256_mul_ps(_mm256_sub_ps(load_first(x + i, left), center), scale);
    store_first(out + i, _mm256_fmadd_ps(normal, w, shift), left);
  }
}

}  // namespace

void rms_norm(const ExecView& exec, const NormArgs& args) {
  parallel_ranges(exec, args.rows, args.width, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      rms_row(args, args.x + r * args.x_stride, args.out + r * args.out_stride);
    }
  });
}

void layer_norm(const ExecView& exec, const NormArgs& args) {
  parallel_ranges(exec, args.rows, args.width, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      layer_row(args, args.x + r * args.x_stride, args.out + r * args.out_stride);
    }
  });
}

}  // namespace millrace::kernels::avx2
