// Small vector functions shared by the ops of this folder and of amx/.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace millrace::kernels {
namespace {

inline __mmask16 tail_mask(int count) {  // the first min(count, 16) lanes
  return count >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1u);
}

// The terms of e^r up to r^5 / 120, behind `p`, which is what follows them over r^6.
inline __m512 exp_series(__m512 p, __m512 r) {
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
  return p;
}

// e^x to about 1 ulp; infinite above 88.7, 0 below -87.3: a subnormal result would cost a hundred
// cycles. NaN stays NaN: min and max return their second operand then, and it is not less.
inline __m512 exp16(__m512 x) {
  const __m512 lowest = _mm512_set1_ps(-87.3f);
  const __mmask16 normal = _mm512_cmp_ps_mask(x, lowest, _CMP_NLT_UQ);
  const __m512 clamped = _mm512_min_ps(_mm512_set1_ps(89.0f), _mm512_max_ps(lowest, x));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(clamped, _mm512_set1_ps(1.44269504f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), clamped);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  const __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(1.0f / 5040), r, _mm512_set1_ps(1.0f / 720));
  return _mm512_maskz_scalef_ps(normal, exp_series(p, r), n);
}

// 1 / (1 + exp(-x)). A division would keep one of the two vector ports busy for ten cycles: an
// approximate inverse and a step of Newton's do not. Errs by less than 2^-21.
inline __m512 sigmoid16(__m512 x) {
  const __m512 c = _mm512_min_ps(_mm512_set1_ps(87.0f), _mm512_max_ps(_mm512_set1_ps(-87.0f), x));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(c, _mm512_set1_ps(-1.44269504f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmsub_ps(n, _mm512_set1_ps(0.693145752f), c);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  const __m512 e = _mm512_scalef_ps(exp_series(_mm512_set1_ps(1.0f / 720), r), n);
  const __m512 d = _mm512_add_ps(_mm512_set1_ps(1.0f), e);
  const __m512 q = _mm512_rcp14_ps(d);
  return _mm512_mul_ps(q, _mm512_fnmadd_ps(d, q, _mm512_set1_ps(2.0f)));
}

inline __m512 soft_capped(__m512 score, float cap) {  // cap·tanh(score / cap)
  const __m512 twice = _mm512_mul_ps(score, _mm512_set1_ps(2.0f / cap));
  const __m512 t = _mm512_fmsub_ps(_mm512_set1_ps(2.0f), sigmoid16(twice), _mm512_set1_ps(1.0f));
  return _mm512_mul_ps(_mm512_set1_ps(cap), t);
}

inline __m512 silu16(__m512 x) {
  return _mm512_mul_ps(x, sigmoid16(x));
}

// 0.5·x·(1 + tanh u) is x·sigmoid(2u).
inline __m512 gelu_tanh16(__m512 x) {
  const __m512 square = _mm512_mul_ps(x, x);
  const __m512 inner = _mm512_fmadd_ps(square, _mm512_set1_ps(0.044715f), _mm512_set1_ps(1.0f));
  const __m512 u = _mm512_mul_ps(_mm512_mul_ps(x, inner), _mm512_set1_ps(1.59576912f));
  return _mm512_mul_ps(x, sigmoid16(u));
}

// erf by Abramowitz and Stegun 7.1.26, absolute error 1.5e-7.
inline __m512 gelu_erf16(__m512 x) {
  const __m512 z = _mm512_abs_ps(_mm512_mul_ps(x, _mm512_set1_ps(0.70710678f)));
  const __m512 t = _mm512_div_ps(
      _mm512_set1_ps(1.0f), _mm512_fmadd_ps(z, _mm512_set1_ps(0.3275911f), _mm512_set1_ps(1.0f)));
  __m512 p = _mm512_set1_ps(1.061405429f);
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
  p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
  p = _mm512_mul_ps(p, t);
  const __m512 e = exp16(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_mul_ps(z, z)));
  // x/2·(1 + erf): for x < 0 that is x/2·(p·e), without cancellation.
  const __m512 tail = _mm512_mul_ps(p, e);
  const __mmask16 negative = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  const __m512 factor =
      _mm512_mask_mov_ps(_mm512_sub_ps(_mm512_set1_ps(2.0f), tail), negative, tail);
  return _mm512_mul_ps(_mm512_mul_ps(x, _mm512_set1_ps(0.5f)), factor);
}

inline __m512 load_half16(const void* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(from)));
}
inline __m512 load_u8x16(const void* from) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(from))));
}
inline __m512 load_i8x16(const void* from) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(from))));
}

}  // namespace
}  // namespace millrace::kernels
