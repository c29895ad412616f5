// The running softmax of a group of rows over a chunk, sixteen tokens at a time.
#pragma once

#include "kernels/neon/kv_layout.h"

namespace millrace::kernels::neon {
namespace {

constexpr int kStep = 16;  // tokens at a time
constexpr int kStepVectors = kStep / kLanes;
constexpr int kGroup = 4;  // query vectors at a time

// What a group of rows carries along a chunk.
struct Group {
  float* q;    // [head_dim][kGroup], scaled
  float* out;  // weighted V of the first row, out_width wide
  size_t out_stride, out_width;
  int first[kGroup], last[kGroup];  // positions that each sees
  float max[kGroup], sum[kGroup];

  float* out_of(int r) const { return out + static_cast<size_t>(r) * out_stride; }
};

// The scores of one vector with sixteen tokens.
struct Scores {
  float32x4_t v[kStepVectors];
};

MILLRACE_INLINE float32x4_t cap(float32x4_t score, float soft_cap) {
  if (soft_cap <= 0) return score;
  return vmulq_n_f32(tanh_ps(vdivq_f32(score, vdupq_n_f32(soft_cap))), soft_cap);
}

// Lanes whose position (from `position` on) lies in [first, last].
MILLRACE_INLINE uint32x4_t in_range(int position, int first, int last) {
  const int32x4_t lanes = {0, 1, 2, 3};
  const int32x4_t at = vaddq_s32(vdupq_n_s32(position), lanes);
  return vandq_u32(vcgeq_s32(at, vdupq_n_s32(first)), vcleq_s32(at, vdupq_n_s32(last)));
}

MILLRACE_INLINE void scale_out(float* out, size_t width, float factor) {
  for (size_t d = 0; d < width; d += kLanes) {
    vst1q_f32(out + d, vmulq_n_f32(vld1q_f32(out + d), factor));
  }
}

// Moves the running maximum up to `top`: what was summed so far shrinks.
MILLRACE_INLINE void raise_max(Group& group, int r, float top) {
  if (!(top > group.max[r])) return;
  const float factor = exp_one(group.max[r] - top);
  scale_out(group.out_of(r), group.out_width, factor);
  group.sum[r] *= factor;
  group.max[r] = top;
}

// Turns sixteen scores into weights for V and updates the running maximum and sum. False: none is
// seen. What lies outside of the range may be anything and reaches nothing.
template <KvKind kKind>
MILLRACE_INLINE bool softmax_step(Group& group, int r, float soft_cap, int position,
                                  const float* k_scale, const float* v_scale, const Scores& scores,
                                  float* weights) {
  if (position > group.last[r] || position + kStep <= group.first[r]) {
    memset(weights, 0, kStep * sizeof(float));
    return false;
  }
  uint32x4_t seen[kStepVectors];
  float32x4_t s[kStepVectors];
#pragma GCC unroll 4
  for (int i = 0; i < kStepVectors; ++i) {
    seen[i] = in_range(position + kLanes * i, group.first[r], group.last[r]);
    s[i] = scores.v[i];
    if constexpr (kKind == KvKind::i8) s[i] = vmulq_f32(s[i], vld1q_f32(k_scale + kLanes * i));
    s[i] = vbslq_f32(seen[i], cap(s[i], soft_cap), vdupq_n_f32(-kInfinity));
  }
  // A NaN is passed over here; its weight is one, and the sum.
  const float top = vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(s[0], s[1]), vmaxnmq_f32(s[2], s[3])));
  raise_max(group, r, top);
  const float32x4_t max = vdupq_n_f32(group.max[r]);
  float32x4_t w[kStepVectors];
#pragma GCC unroll 4
  for (int i = 0; i < kStepVectors; ++i) w[i] = keep(seen[i], exp_ps(vsubq_f32(s[i], max)));
  group.sum[r] += vaddvq_f32(vaddq_f32(vaddq_f32(w[0], w[1]), vaddq_f32(w[2], w[3])));
#pragma GCC unroll 4
  for (int i = 0; i < kStepVectors; ++i) {
    if constexpr (kKind == KvKind::i8) {
      w[i] = keep(seen[i], vmulq_f32(w[i], vld1q_f32(v_scale + kLanes * i)));
    }
    vst1q_f32(weights + kLanes * i, w[i]);
  }
  return true;
}

}  // namespace
}  // namespace millrace::kernels::neon
