// Activations of eight sums.
#pragma once

#include "kernels/avx2/simd.h"

namespace millrace::kernels::avx2 {
namespace {

// x / (1 + e^-2u) = 0.5 · x · (1 + tanh u)
MILLRACE_INLINE __m256 gelu_tanh(__m256 x) {
  const __m256 cubic = _mm256_mul_ps(_mm256_mul_ps(x, x), x);
  const __m256 u = _mm256_mul_ps(_mm256_set1_ps(0.7978845608028654f),
                                 _mm256_fmadd_ps(cubic, _mm256_set1_ps(0.044715f), x));
  return _mm256_mul_ps(x, sigmoid_ps(_mm256_add_ps(u, u)));
}

MILLRACE_INLINE __m256 gelu_erf(__m256 x) {
  const __m256 half = _mm256_mul_ps(x, _mm256_set1_ps(0.5f));
  return _mm256_fmadd_ps(half, erf_ps(_mm256_mul_ps(x, _mm256_set1_ps(0.7071067811865476f))), half);
}

// For the gated ones, of the gate.
MILLRACE_INLINE __m256 activate(Epilogue epilogue, __m256 x) {
  switch (epilogue) {
    case Epilogue::none:
      return x;
    case Epilogue::silu_mul:
    case Epilogue::silu:
      return _mm256_mul_ps(x, sigmoid_ps(x));
    case Epilogue::gelu_tanh_mul:
    case Epilogue::gelu_tanh:
      return gelu_tanh(x);
    case Epilogue::gelu_erf:
      return gelu_erf(x);
    // Not max(x, 0): a NaN must stay one.
    case Epilogue::relu:
      return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ), x);
  }
  return x;
}

}  // namespace
}  // namespace millrace::kernels::avx2
