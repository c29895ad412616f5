// What the AVX2 files share. Everything is in an anonymous namespace: see kernels/README.md.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#define MILLRACE_INLINE inline __attribute__((always_inline))

namespace millrace::kernels::avx2 {
namespace {

constexpr float kInfinity = __builtin_inff();

template <class T>
MILLRACE_INLINE T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
MILLRACE_INLINE T larger(T a, T b) {
  return a < b ? b : a;
}
MILLRACE_INLINE int ceil_div(int a, int b) {
  return (a + b - 1) / b;
}
MILLRACE_INLINE size_t round_up(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

// ---- threads

// Cuts [0, items) into ranges worth waking a thread for: range(begin, end). `item_cost` is in
// elements touched.
template <class Range>
MILLRACE_INLINE void parallel_ranges(const ExecView& exec, int items, int64_t item_cost,
                                     const Range& range) {
  constexpr int64_t kWorthwhile = 8192;
  constexpr int64_t kPiecesPerThread = 4;
  const int64_t by_cost = items * item_cost / kWorthwhile;
  const int64_t most = smaller<int64_t>(items, kPiecesPerThread * exec.num_threads);
  const int pieces = static_cast<int>(smaller(by_cost, most));
  if (pieces <= 1) {
    range(0, items);
    return;
  }
  parallel_for(exec, pieces, [&](int piece, int) {
    range(static_cast<int>(int64_t{items} * piece / pieces),
          static_cast<int>(int64_t{items} * (piece + 1) / pieces));
  });
}

// ---- loads and stores

alignas(32) constexpr int32_t kMaskTable[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

// The first `count` of eight lanes.
MILLRACE_INLINE __m256i first_lanes(int count) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMaskTable + 8 - count));
}
MILLRACE_INLINE __m256 load_first(const float* from, int count) {
  return count >= 8 ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first_lanes(count));
}
MILLRACE_INLINE void store_first(float* to, __m256 value, int count) {
  if (count >= 8) {
    _mm256_storeu_ps(to, value);
  } else {
    _mm256_maskstore_ps(to, first_lanes(count), value);
  }
}
MILLRACE_INLINE __m256i load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
MILLRACE_INLINE __m128i load128(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
// Eight f16 → f32.
MILLRACE_INLINE __m256 load_f16(const void* from) {
  return _mm256_cvtph_ps(load128(from));
}
// Eight bf16 → f32.
MILLRACE_INLINE __m256 load_bf16(const void* from) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(from)), 16));
}
// Eight bytes → f32.
MILLRACE_INLINE __m256 load_u8(const void* from) {
  const __m128i bytes = _mm_loadl_epi64(static_cast<const __m128i*>(from));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}
MILLRACE_INLINE __m256 load_i8(const void* from) {
  const __m128i bytes = _mm_loadl_epi64(static_cast<const __m128i*>(from));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
MILLRACE_INLINE __m256i broadcast32(const void* from) {
  int32_t value;
  memcpy(&value, from, sizeof value);
  return _mm256_set1_epi32(value);
}

// ---- across lanes

MILLRACE_INLINE float sum_lanes(__m256 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
MILLRACE_INLINE float max_lanes(__m256 v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

// ---- functions, each to about 1e-7 relative

// e^x: 2^n · e^r with r in ±ln2/2 by a polynomial (Taylor, degree 7). Under
// -87 it is 0, over 88 it stays there; NaN stays NaN.
MILLRACE_INLINE __m256 exp_ps(__m256 x) {
  const __m256 underflow = _mm256_cmp_ps(x, _mm256_set1_ps(-87.0f), _CMP_LT_OQ);
  // max and min return their second operand when either is NaN.
  x = _mm256_max_ps(_mm256_set1_ps(-87.0f), x);
  x = _mm256_min_ps(_mm256_set1_ps(88.0f), x);
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504088896f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);  // ln2 in two parts
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 720));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
  const __m256i power =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_andnot_ps(underflow, _mm256_mul_ps(p, _mm256_castsi256_ps(power)));
}

MILLRACE_INLINE __m256 sigmoid_ps(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  return _mm256_div_ps(one, _mm256_add_ps(one, exp_ps(_mm256_sub_ps(_mm256_setzero_ps(), x))));
}

// 1 - 2 / (e^2x + 1)
MILLRACE_INLINE __m256 tanh_ps(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 e = exp_ps(_mm256_add_ps(x, x));
  return _mm256_sub_ps(one, _mm256_div_ps(_mm256_set1_ps(2.0f), _mm256_add_ps(e, one)));
}

// Abramowitz & Stegun 7.1.26: absolute error under 1.5e-7.
MILLRACE_INLINE __m256 erf_ps(__m256 x) {
  const __m256 sign_bit = _mm256_set1_ps(-0.0f);
  const __m256 a = _mm256_andnot_ps(sign_bit, x);
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 t = _mm256_div_ps(one, _mm256_fmadd_ps(a, _mm256_set1_ps(0.3275911f), one));
  __m256 p = _mm256_set1_ps(1.061405429f);
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-1.453152027f));
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(1.421413741f));
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(-0.284496736f));
  p = _mm256_fmadd_ps(p, t, _mm256_set1_ps(0.254829592f));
  p = _mm256_mul_ps(p, t);
  const __m256 tail = exp_ps(_mm256_mul_ps(_mm256_sub_ps(_mm256_setzero_ps(), a), a));
  const __m256 positive = _mm256_fnmadd_ps(p, tail, one);
  return _mm256_or_ps(positive, _mm256_and_ps(sign_bit, x));
}

}  // namespace
}  // namespace millrace::kernels::avx2
