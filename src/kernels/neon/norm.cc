#include "kernels/neon/simd.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

constexpr int kSums = 4;  // side by side: enough to hide an addition's latency

MILLRACE_INLINE float sum_of(const float32x4_t (&s)[kSums]) {
  return vaddvq_f32(vaddq_f32(vaddq_f32(s[0], s[1]), vaddq_f32(s[2], s[3])));
}

// Σ (x - mean)², the same order of additions for every caller.
MILLRACE_INLINE float sum_squares(const float* x, int width, float mean) {
  const float32x4_t m = vdupq_n_f32(mean);
  float32x4_t sum[kSums] = {};
  int i = 0;
  for (; i + kSums * kLanes <= width; i += kSums * kLanes) {
    for (int s = 0; s < kSums; ++s) {
      const float32x4_t u = vsubq_f32(vld1q_f32(x + i + kLanes * s), m);
      sum[s] = vfmaq_f32(sum[s], u, u);
    }
  }
  for (; i < width; i += kLanes) {
    const int left = width - i;
    const float32x4_t u = keep(first_lanes(left), vsubq_f32(load_first(x + i, left), m));
    sum[0] = vfmaq_f32(sum[0], u, u);
  }
  return sum_of(sum);
}

MILLRACE_INLINE float sum_row(const float* x, int width) {
  float32x4_t sum[kSums] = {};
  int i = 0;
  for (; i + kSums * kLanes <= width; i += kSums * kLanes) {
    for (int s = 0; s < kSums; ++s) sum[s] = vaddq_f32(sum[s], vld1q_f32(x + i + kLanes * s));
  }
  for (; i < width; i += kLanes) sum[0] = vaddq_f32(sum[0], load_first(x + i, width - i));
  return sum_of(sum);
}

void rms_row(const NormArgs& args, const float* x, float* out) {
  const float squares = sum_squares(x, args.width, 0.0f);
  const float32x4_t scale =
      vdupq_n_f32(1.0f / __builtin_sqrtf(squares / static_cast<float>(args.width) + args.eps));
  const float32x4_t offset = vdupq_n_f32(args.weight_offset);
  for (int i = 0; i < args.width; i += kLanes) {
    const int left = args.width - i;
    const float32x4_t w = vaddq_f32(load_first(args.weight + i, left), offset);
    store_first(out + i, vmulq_f32(vmulq_f32(load_first(x + i, left), scale), w), left);
  }
}

void layer_row(const NormArgs& args, const float* x, float* out) {
  const auto width = static_cast<float>(args.width);
  const float mean = sum_row(x, args.width) / width;
  const float variance = sum_squares(x, args.width, mean) / width;
  const float32x4_t scale = vdupq_n_f32(1.0f / __builtin_sqrtf(variance + args.eps));
  const float32x4_t center = vdupq_n_f32(mean);
  const float32x4_t offset = vdupq_n_f32(args.weight_offset);
  for (int i = 0; i < args.width; i += kLanes) {
    const int left = args.width - i;
    const float32x4_t w = vaddq_f32(load_first(args.weight + i, left), offset);
    const float32x4_t shift =
        args.bias != nullptr ? load_first(args.bias + i, left) : vdupq_n_f32(0.0f);
    const float32x4_t normal = vmulq_f32(vsubq_f32(load_first(x + i, left), center), scale);
    store_first(out + i, vfmaq_f32(shift, normal, w), left);
  }
}

}  // namespace

void rms_norm(const ExecView& exec, const NormArgs& args) {
  parallel_ranges(exec, args.rows, args.width, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      rms_row(args, args.x + r * args.x_stride, args.out + r * args.out_stride);
    }
  });
}

void layer_norm(const ExecView& exec, const NormArgs& args) {
  parallel_ranges(exec, args.rows, args.width, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      layer_row(args, args.x + r * args.x_stride, args.out + r * args.out_stride);
    }
  });
}

}  // namespace millrace::kernels::neon
