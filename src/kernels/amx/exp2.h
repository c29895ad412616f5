// The exponential of attention whose weights are rounded to bf16.
#pragma once

#include <immintrin.h>

namespace millrace::kernels {
namespace {

constexpr float kLog2e = 1.44269504f;

// 2^x for x <= 0 to 2^-13, where rounding weights to bf16 costs up to 2^-9; 0 from -127 on. NaN
// stays NaN: max returns its second operand then.
inline __m512 exp2_16(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-127.0f), x);
  // Adding 1.5·2^23 rounds to whole numbers, which are then the lowest bits.
  const __m512 magic = _mm512_set1_ps(12582912.0f);
  const __m512 whole = _mm512_add_ps(x, magic);
  const __m512 f = _mm512_sub_ps(x, _mm512_sub_ps(whole, magic));
  // Nearest in relative error on [-1/2, 1/2], but for 1 at 0: 2^-127 has to become 0.
  __m512 y = _mm512_set1_ps(0.05500893f);
  y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0.242211f));
  y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(0.69328293f));
  y = _mm512_fmadd_ps(y, f, _mm512_set1_ps(1.0f));
  const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(whole), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(y), exponent));
}

}  // namespace
}  // namespace millrace::kernels
