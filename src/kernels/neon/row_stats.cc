// A row is cut into chunks of fixed size, so one row of a large vocabulary uses every thread and
// the result depends on nothing but the row.
#include "kernels/neon/simd.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

constexpr int kChunk = 8192;
constexpr int kMaxPartials = 256;  // of the rows done together
constexpr int kSums = 2;           // vectors side by side

struct Partial {
  float max;
  int argmax;
  float sum;  // Σ e^(x - base), base = max, or 0 where max is -inf
};

MILLRACE_INLINE float base_of(float max) {
  return max == -kInfinity ? 0.0f : max;
}

// Lanes past `left` are -inf.
MILLRACE_INLINE float32x4_t load_or_lowest(const float* x, int left) {
  if (left >= kLanes) return vld1q_f32(x);
  return vbslq_f32(first_lanes(left), load_first(x, left), vdupq_n_f32(-kInfinity));
}

// The largest of [begin, end) and its lowest index.
Partial largest_of(const float* x, int begin, int end) {
  float32x4_t best[kSums];
  int32x4_t index[kSums], best_index[kSums];
  const int32x4_t lanes = {0, 1, 2, 3};
  for (int s = 0; s < kSums; ++s) {
    best[s] = vdupq_n_f32(-kInfinity);
    index[s] = vaddq_s32(lanes, vdupq_n_s32(begin + kLanes * s));
    best_index[s] = vdupq_n_s32(begin);
  }
  for (int i = begin; i < end; i += kSums * kLanes) {
    for (int s = 0; s < kSums; ++s) {
      const float32x4_t v = load_or_lowest(x + i + kLanes * s, end - i - kLanes * s);
      const uint32x4_t greater = vcgtq_f32(v, best[s]);  // false for NaN
      best[s] = vbslq_f32(greater, v, best[s]);
      best_index[s] = vbslq_s32(greater, index[s], best_index[s]);
      index[s] = vaddq_s32(index[s], vdupq_n_s32(kSums * kLanes));
    }
  }
  float lane_max[kSums * kLanes];
  int32_t lane_index[kSums * kLanes];
  for (int s = 0; s < kSums; ++s) {
    vst1q_f32(lane_max + kLanes * s, best[s]);
    vst1q_s32(lane_index + kLanes * s, best_index[s]);
  }
  Partial partial = {lane_max[0], lane_index[0], 0};
  for (int lane = 1; lane < kSums * kLanes; ++lane) {
    const bool earlier_tie = lane_max[lane] == partial.max && lane_index[lane] < partial.argmax;
    if (lane_max[lane] > partial.max || earlier_tie) {
      partial.max = lane_max[lane];
      partial.argmax = lane_index[lane];
    }
  }
  return partial;
}

Partial chunk_stats(const float* x, int begin, int end) {
  Partial partial = largest_of(x, begin, end);
  const float32x4_t base = vdupq_n_f32(base_of(partial.max));
  float32x4_t sum[kSums] = {};
  for (int i = begin; i < end; i += kSums * kLanes) {
    for (int s = 0; s < kSums; ++s) {  // e^-inf is 0
      const float32x4_t v = load_or_lowest(x + i + kLanes * s, end - i - kLanes * s);
      sum[s] = vaddq_f32(sum[s], exp_ps(vsubq_f32(v, base)));
    }
  }
  partial.sum = vaddvq_f32(vaddq_f32(sum[0], sum[1]));
  return partial;
}

RowStats merge(const Partial* partials, int count) {
  RowStats stats = {partials[0].max, partials[0].argmax, 0};
  for (int i = 1; i < count; ++i) {
    if (partials[i].max > stats.max) stats.max = partials[i].max, stats.argmax = partials[i].argmax;
  }
  float sum = 0;
  for (int i = 0; i < count; ++i) {
    const float shift = base_of(partials[i].max) - stats.max;
    // A chunk of -inf has sum 0 (or NaN, which must show).
    const float weight = partials[i].max == -kInfinity ? 1.0f : exp_one(shift);
    sum += partials[i].sum * weight;
  }
  stats.log_sum_exp = stats.max + __builtin_logf(sum);
  return stats;
}

}  // namespace

void row_stats(const ExecView& exec, const RowStatsArgs& args) {
  // Wider rows get wider chunks: a row's partials must fit.
  const int chunk = larger(kChunk, ceil_div(args.width, kMaxPartials));
  const int chunks = ceil_div(args.width, chunk);
  const int rows_together = kMaxPartials / chunks;
  Partial partials[kMaxPartials];
  for (int row = 0; row < args.rows; row += rows_together) {
    const int rows = smaller(rows_together, args.rows - row);
    parallel_ranges(exec, rows * chunks, smaller(chunk, args.width), [&](int begin, int end) {
      for (int i = begin; i < end; ++i) {
        const float* x = args.x + (row + i / chunks) * args.x_stride;
        const int first = i % chunks * chunk;
        partials[i] = chunk_stats(x, first, smaller(args.width, first + chunk));
      }
    });
    for (int r = 0; r < rows; ++r) args.out[row + r] = merge(partials + r * chunks, chunks);
  }
}

}  // namespace millrace::kernels::neon
