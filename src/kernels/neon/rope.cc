#include "kernels/neon/simd.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

// a·c - b·s and b·c + a·s.
MILLRACE_INLINE void rotate(float32x4_t& a, float32x4_t& b, float32x4_t c, float32x4_t s) {
  const float32x4_t first = vfmsq_f32(vmulq_f32(a, c), b, s);
  b = vfmaq_f32(vmulq_f32(b, c), a, s);
  a = first;
}

// Pairs (i, i + pairs).
void rotate_halves(float* x, int pairs, const float* cosine, const float* sine) {
  for (int i = 0; i < pairs; i += kLanes) {
    const int left = pairs - i;
    float32x4_t a = load_first(x + i, left), b = load_first(x + pairs + i, left);
    rotate(a, b, load_first(cosine + i, left), load_first(sine + i, left));
    store_first(x + i, a, left);
    store_first(x + pairs + i, b, left);
  }
}

// Pairs (2i, 2i + 1).
void rotate_neighbours(float* x, int pairs, const float* cosine, const float* sine) {
  int i = 0;
  for (; i + kLanes <= pairs; i += kLanes) {
    float32x4x2_t both = vld2q_f32(x + 2 * i);
    rotate(both.val[0], both.val[1], vld1q_f32(cosine + i), vld1q_f32(sine + i));
    vst2q_f32(x + 2 * i, both);
  }
  for (; i < pairs; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cosine[i] - b * sine[i];
    x[2 * i + 1] = b * cosine[i] + a * sine[i];
  }
}

}  // namespace

void rope(const ExecView& exec, const RopeArgs& args) {
  const int pairs = args.rotary_dim / 2;
  parallel_ranges(exec, args.tokens, int64_t{args.heads} * args.head_dim, [&](int begin, int end) {
    for (int token = begin; token < end; ++token) {
      const int64_t angle = int64_t{args.positions[token]} * pairs;
      for (int head = 0; head < args.heads; ++head) {
        float* x = args.x + token * args.x_stride + int64_t{head} * args.head_dim;
        (args.interleaved ? rotate_neighbours : rotate_halves)(x, pairs, args.cosine + angle,
                                                               args.sine + angle);
      }
    }
  });
}

}  // namespace millrace::kernels::neon
