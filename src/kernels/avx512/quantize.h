// A row of x as 16-bit integers in two planes of bytes: x ≈ scale·(256·high + low), both signed,
// with |256·high + low| <= 32512. One scale a row: the error of an element is at most 2^-16 of the
// row's largest, which disturbs a dot product less than rounding that largest element to bf16 does.
#pragma once

#include "kernels/avx512/panel.h"
#include "kernels/avx512/simd.h"

namespace millrace::kernels {
namespace {

// The largest magnitude; not finite if any element is not: as integers, the bits of |x| order like
// |x| with infinity and NaN above all numbers, where a float maximum may lose a NaN.
inline float row_largest(const float* x, int k) {
  __m512i largest = _mm512_setzero_si512();
  int i = 0;
  for (; i + 16 <= k; i += 16) {
    const __m512 magnitude = _mm512_abs_ps(_mm512_loadu_ps(x + i));
    largest = _mm512_max_epi32(largest, _mm512_castps_si512(magnitude));
  }
  if (i < k) {
    const __m512 magnitude = _mm512_abs_ps(_mm512_maskz_loadu_ps(tail_mask(k - i), x + i));
    largest = _mm512_max_epi32(largest, _mm512_castps_si512(magnitude));
  }
  return _mm512_cvtss_f32(_mm512_castsi512_ps(_mm512_set1_epi32(_mm512_reduce_max_epi32(largest))));
}

inline __m512 load_row16(const float* x, int i, int k) {
  if (i + 16 <= k) return _mm512_loadu_ps(x + i);
  return _mm512_maskz_loadu_ps(i < k ? tail_mask(k - i) : static_cast<__mmask16>(0), x + i);
}

inline __m512i broadcast4(const int8_t* from) {
  int32_t four;
  __builtin_memcpy(&four, from, sizeof four);
  return _mm512_set1_epi32(four);
}

// Calls put(b, high, low) with the 32 bytes of every 32-block of [0, padded_k), and fills sums16
// [padded_k/16] and sums32 [padded_k/32] with Σ(256·high + low). Returns the scale.
template <class Put>
inline float quantize_row(const float* x, int k, float* sums16, float* sums32, const Put& put) {
  const float largest = row_largest(x, k);
  const float inverse = largest > 0.0f ? 32512.0f / largest : 0.0f;
  const __m512 factor = _mm512_set1_ps(inverse);
  const int num_blocks = static_cast<int>(padded_k(k)) / kBlock;
  for (int b = 0; b < num_blocks; ++b) {
    __m128i high[2], low[2];
    for (int h = 0; h < 2; ++h) {
      const __m512 v = load_row16(x, b * kBlock + 16 * h, k);
      const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(v, factor));
      const __m512i top = _mm512_srai_epi32(_mm512_add_epi32(q, _mm512_set1_epi32(128)), 8);
      high[h] = _mm512_cvtepi32_epi8(top);
      low[h] = _mm512_cvtepi32_epi8(q);  // modulo 256: what is left after 256·high
      sums16[2 * b + h] = static_cast<float>(_mm512_reduce_add_epi32(q));
    }
    sums32[b] = sums16[2 * b] + sums16[2 * b + 1];
    put(b, _mm256_set_m128i(high[1], high[0]), _mm256_set_m128i(low[1], low[0]));
  }
  return largest / 32512.0f;
}

}  // namespace
}  // namespace millrace::kernels
