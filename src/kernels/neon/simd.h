// What the NEON files share. Everything is in an anonymous namespace: see kernels/README.md.
#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/parallel.h"

#define MILLRACE_INLINE inline __attribute__((always_inline))

namespace millrace::kernels::neon {
namespace {

constexpr float kInfinity = __builtin_inff();
constexpr int kLanes = 4;  // f32 in a vector

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

// The first `count` of four lanes; the others are 0 and their memory is not touched.
MILLRACE_INLINE float32x4_t load_first(const float* from, int count) {
  if (count >= kLanes) return vld1q_f32(from);
  float32x4_t value = vdupq_n_f32(0.0f);
  if (count > 0) value = vld1q_lane_f32(from, value, 0);
  if (count > 1) value = vld1q_lane_f32(from + 1, value, 1);
  if (count > 2) value = vld1q_lane_f32(from + 2, value, 2);
  return value;
}
MILLRACE_INLINE void store_first(float* to, float32x4_t value, int count) {
  if (count >= kLanes) {
    vst1q_f32(to, value);
    return;
  }
  if (count > 0) vst1q_lane_f32(to, value, 0);
  if (count > 1) vst1q_lane_f32(to + 1, value, 1);
  if (count > 2) vst1q_lane_f32(to + 2, value, 2);
}
// All bits set in the first `count` of four lanes.
MILLRACE_INLINE uint32x4_t first_lanes(int count) {
  const int32x4_t index = {0, 1, 2, 3};
  return vcltq_s32(index, vdupq_n_s32(count));
}
MILLRACE_INLINE float32x4_t keep(uint32x4_t mask, float32x4_t value) {
  return vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(value)));
}
MILLRACE_INLINE uint8x16_t load16(const uint8_t* from) {
  return vld1q_u8(from);
}
MILLRACE_INLINE int8x16_t load16_signed(const uint8_t* from) {
  return vreinterpretq_s8_u8(vld1q_u8(from));
}
// Four f16 → f32.
MILLRACE_INLINE float32x4_t load_f16(const uint8_t* from) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from)));
}
// Four bf16 → f32.
MILLRACE_INLINE float32x4_t load_bf16(const uint8_t* from) {
  return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(from)), 16));
}

// ---- functions, each to about 1e-7 relative

// e^x: 2^n · e^r with r in ±ln2/2 by a polynomial (Taylor, degree 7). Under
// -87 it is 0, over 88 it stays there; NaN stays NaN.
MILLRACE_INLINE float32x4_t exp_ps(float32x4_t x) {
  const uint32x4_t underflow = vcltq_f32(x, vdupq_n_f32(-87.0f));
  x = vminq_f32(vmaxq_f32(x, vdupq_n_f32(-87.0f)), vdupq_n_f32(88.0f));  // both keep a NaN
  const float32x4_t n = vrndnq_f32(vmulq_f32(x, vdupq_n_f32(1.44269504088896f)));
  float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0.693359375f));  // ln2 in two parts
  r = vfmsq_f32(r, n, vdupq_n_f32(-2.12194440e-4f));
  float32x4_t p = vdupq_n_f32(1.0f / 5040);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 720), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 120), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 24), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f / 6), p, r);
  p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
  const int32x4_t power = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
  return keep(vmvnq_u32(underflow), vmulq_f32(p, vreinterpretq_f32_s32(power)));
}
MILLRACE_INLINE float exp_one(float x) {
  return vgetq_lane_f32(exp_ps(vdupq_n_f32(x)), 0);
}

MILLRACE_INLINE float32x4_t sigmoid_ps(float32x4_t x) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  return vdivq_f32(one, vaddq_f32(one, exp_ps(vnegq_f32(x))));
}

// 1 - 2 / (e^2x + 1)
MILLRACE_INLINE float32x4_t tanh_ps(float32x4_t x) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  const float32x4_t e = exp_ps(vaddq_f32(x, x));
  return vsubq_f32(one, vdivq_f32(vdupq_n_f32(2.0f), vaddq_f32(e, one)));
}

// Abramowitz & Stegun 7.1.26: absolute error under 1.5e-7.
MILLRACE_INLINE float32x4_t erf_ps(float32x4_t x) {
  const float32x4_t a = vabsq_f32(x);
  const float32x4_t one = vdupq_n_f32(1.0f);
  const float32x4_t t = vdivq_f32(one, vfmaq_f32(one, a, vdupq_n_f32(0.3275911f)));
  float32x4_t p = vdupq_n_f32(1.061405429f);
  p = vfmaq_f32(vdupq_n_f32(-1.453152027f), p, t);
  p = vfmaq_f32(vdupq_n_f32(1.421413741f), p, t);
  p = vfmaq_f32(vdupq_n_f32(-0.284496736f), p, t);
  p = vfmaq_f32(vdupq_n_f32(0.254829592f), p, t);
  p = vmulq_f32(p, t);
  const float32x4_t positive = vfmsq_f32(one, p, exp_ps(vnegq_f32(vmulq_f32(a, a))));
  return vbslq_f32(vdupq_n_u32(0x80000000u), x, positive);
}

}  // namespace
}  // namespace millrace::kernels::neon
