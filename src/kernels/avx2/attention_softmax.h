// Scores of one row over a span of positions to weights of V.
#pragma once

#include "kernels/avx2/simd.h"

namespace millrace::kernels::avx2 {
namespace {

// Of the positions in hand, which all rows share.
struct Softmax {
  int begin, end;
  float scale, soft_cap;
  const float* k_scale;  // of each position; i8 only
  const float* v_scale;
};

MILLRACE_INLINE __m256 cap(__m256 score, float soft_cap) {
  if (soft_cap <= 0) return score;
  return _mm256_mul_ps(_mm256_set1_ps(soft_cap),
                       tanh_ps(_mm256_div_ps(score, _mm256_set1_ps(soft_cap))));
}

// Lanes whose position (from `position` on) lies in [first, last].
MILLRACE_INLINE __m256 in_range(int position, int first, int last) {
  const __m256i at =
      _mm256_add_epi32(_mm256_set1_epi32(position), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const __m256i before = _mm256_cmpgt_epi32(_mm256_set1_epi32(first), at);
  const __m256i after = _mm256_cmpgt_epi32(at, _mm256_set1_epi32(last));
  return _mm256_castsi256_ps(
      _mm256_xor_si256(_mm256_or_si256(before, after), _mm256_set1_epi32(-1)));
}

// In place, for a row that sees [first, last]; whole eights are written. The maximum and the sum of
// weights go to `partial`; both scores and scales behind the end may be anything. A NaN is passed
// over by the maximum; its weight is one, and the sum.
template <KvKind kKind>
void soften(const Softmax& with, int first, int last, float* scores, float* partial) {
  const int count = with.end - with.begin;
  first -= with.begin;
  last -= with.begin;
  const __m256 scale = _mm256_set1_ps(with.scale);
  __m256 top = _mm256_set1_ps(-kInfinity);
  for (int i = 0; i < count; i += 8) {
    __m256 s = _mm256_mul_ps(_mm256_loadu_ps(scores + i), scale);
    if constexpr (kKind == KvKind::i8) s = _mm256_mul_ps(s, _mm256_loadu_ps(with.k_scale + i));
    s = cap(s, with.soft_cap);
    if (i < first || i + 7 > last) {
      s = _mm256_blendv_ps(_mm256_set1_ps(-kInfinity), s, in_range(i, first, last));
    }
    top = _mm256_max_ps(s, top);
    _mm256_storeu_ps(scores + i, s);
  }
  partial[0] = max_lanes(top);
  const __m256 max = _mm256_set1_ps(partial[0]);
  __m256 sum = _mm256_setzero_ps();
  for (int i = 0; i < count; i += 8) {
    __m256 w = exp_ps(_mm256_sub_ps(_mm256_loadu_ps(scores + i), max));
    if (i < first || i + 7 > last) w = _mm256_and_ps(w, in_range(i, first, last));
    sum = _mm256_add_ps(sum, w);
    if constexpr (kKind == KvKind::i8) w = _mm256_mul_ps(w, _mm256_loadu_ps(with.v_scale + i));
    _mm256_storeu_ps(scores + i, w);
  }
  partial[1] = sum_lanes(sum);
}

}  // namespace
}  // namespace millrace::kernels::avx2
