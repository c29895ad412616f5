// Norms of one row, whatever becomes of the result: put(column, mask, 16 values).
#pragma once

#include <math.h>

#include "kernels/avx512/simd.h"
#include "kernels/kernels.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

// Cuts `rows` into a few runs a thread: f(begin, end). Small work stays on the caller.
template <class F>
void for_row_runs(const ExecView& exec, int rows, int width, const F& f) {
  constexpr int64_t kSmall = 16384;  // elements
  const bool small = static_cast<int64_t>(rows) * width < kSmall;
  const int wanted = small ? 1 : exec.num_threads * 4;
  const int pieces = rows < wanted ? rows : wanted;
  parallel_near(exec, pieces, [&](int piece, int) {
    f(static_cast<int>(static_cast<int64_t>(rows) * piece / pieces),
      static_cast<int>(static_cast<int64_t>(rows) * (piece + 1) / pieces));
  });
}

template <class F>
inline void for_vectors(int width, const F& f) {  // f(offset, mask)
  int i = 0;
  for (; i + 16 <= width; i += 16) f(i, static_cast<__mmask16>(0xffff));
  if (i < width) f(i, tail_mask(width - i));
}

template <class Put>
inline void rms_norm_row(const NormArgs& args, int row, const Put& put) {
  const float* x = args.x + row * args.x_stride;
  __m512 squares = _mm512_setzero_ps();
  for_vectors(args.width, [&](int i, __mmask16 mask) {
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
    squares = _mm512_fmadd_ps(v, v, squares);
  });
  const float mean = _mm512_reduce_add_ps(squares) / static_cast<float>(args.width);
  const __m512 scale = _mm512_set1_ps(1.0f / sqrtf(mean + args.eps));
  const __m512 offset = _mm512_set1_ps(args.weight_offset);
  for_vectors(args.width, [&](int i, __mmask16 mask) {
    const __m512 w = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, args.weight + i), offset);
    const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), scale);
    put(i, mask, _mm512_mul_ps(v, w));
  });
}

template <class Put>
inline void layer_norm_row(const NormArgs& args, int row, const Put& put) {
  const float* x = args.x + row * args.x_stride;
  const float count = static_cast<float>(args.width);
  __m512 sum = _mm512_setzero_ps();
  for_vectors(args.width, [&](int i, __mmask16 mask) {
    sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, x + i));
  });
  const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / count);
  __m512 squares = _mm512_setzero_ps();
  for_vectors(args.width, [&](int i, __mmask16 mask) {
    const __m512 v = _mm512_maskz_sub_ps(mask, _mm512_maskz_loadu_ps(mask, x + i), mean);
    squares = _mm512_fmadd_ps(v, v, squares);
  });
  const __m512 scale =
      _mm512_set1_ps(1.0f / sqrtf(_mm512_reduce_add_ps(squares) / count + args.eps));
  const __m512 offset = _mm512_set1_ps(args.weight_offset);
  for_vectors(args.width, [&](int i, __mmask16 mask) {
    const __m512 w = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, args.weight + i), offset);
    const __m512 v = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), mean), scale);
    const __m512 shift =
        args.bias != nullptr ? _mm512_maskz_loadu_ps(mask, args.bias + i) : _mm512_setzero_ps();
    put(i, mask, _mm512_fmadd_ps(v, w, shift));
  });
}

}  // namespace
}  // namespace millrace::kernels
