// Activations of four sums.
#pragma once

#include "kernels/neon/simd.h"

namespace millrace::kernels::neon {
namespace {

// x / (1 + e^-2u) = 0.5 · x · (1 + tanh u)
MILLRACE_INLINE float32x4_t gelu_tanh(float32x4_t x) {
  const float32x4_t cubic = vmulq_f32(vmulq_f32(x, x), x);
  const float32x4_t u =
      vmulq_f32(vdupq_n_f32(0.7978845608028654f), vfmaq_f32(x, cubic, vdupq_n_f32(0.044715f)));
  return vmulq_f32(x, sigmoid_ps(vaddq_f32(u, u)));
}

MILLRACE_INLINE float32x4_t gelu_erf(float32x4_t x) {
  const float32x4_t half = vmulq_f32(x, vdupq_n_f32(0.5f));
  return vfmaq_f32(half, half, erf_ps(vmulq_f32(x, vdupq_n_f32(0.7071067811865476f))));
}

// For the gated ones, of the gate.
MILLRACE_INLINE float32x4_t activate(Epilogue epilogue, float32x4_t x) {
  switch (epilogue) {
    case Epilogue::none:
      return x;
    case Epilogue::silu_mul:
    case Epilogue::silu:
      return vmulq_f32(x, sigmoid_ps(x));
    case Epilogue::gelu_tanh_mul:
    case Epilogue::gelu_tanh:
      return gelu_tanh(x);
    case Epilogue::gelu_erf:
      return gelu_erf(x);
    case Epilogue::relu:  // max keeps a NaN
      return vmaxq_f32(x, vdupq_n_f32(0.0f));
  }
  return x;
}

}  // namespace
}  // namespace millrace::kernels::neon
