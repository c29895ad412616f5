// A row is cut into chunks of fixed size, so one row of a large vocabulary uses every thread and
// the result depends on nothing but the row.
#include "kernels/avx2/simd.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

constexpr int kChunk = 8192;
constexpr int kMaxPartials = 256;  // of the rows done together

struct Partial {
  float max;
  int argmax;
  float sum;  // Σ e^(x - base), base = max, or 0 where max is -inf
};

MILLRACE_INLINE float base_of(float max) {
  return max == -kInfinity ? 0.0f : max;
}

Partial chunk_stats(const float* x, int begin, int end) {
  __m256 best = _mm256_set1_ps(-kInfinity);
  __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  index = _mm256_add_epi32(index, _mm256_set1_epi32(begin));
  __m256i best_index = _mm256_set1_epi32(begin);
  const __m256 lowest = best;
  for (int i = begin; i < end; i += 8) {
    const int left = end - i;
    __m256 v = load_first(x + i, left);
    if (left < 8) v = _mm256_blendv_ps(lowest, v, _mm256_castsi256_ps(first_lanes(left)));
    const __m256 greater = _mm256_cmp_ps(v, best, _CMP_GT_OQ);  // false for NaN
    best = _mm256_blendv_ps(best, v, greater);
    best_index = _mm256_blendv_epi8(best_index, index, _mm256_castps_si256(greater));
    index = _mm256_add_epi32(index, _mm256_set1_epi32(8));
  }
  float lane_max[8];
  int32_t lane_index[8];
  _mm256_storeu_ps(lane_max, best);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lane_index), best_index);
  Partial partial = {lane_max[0], lane_index[0], 0};
  for (int lane = 1; lane < 8; ++lane) {
    const bool earlier_tie = lane_max[lane] == partial.max && lane_index[lane] < partial.argmax;
    if (lane_max[lane] > partial.max || earlier_tie) {
      partial.max = lane_max[lane];
      partial.argmax = lane_index[lane];
    }
  }
  const __m256 base = _mm256_set1_ps(base_of(partial.max));
  __m256 sum = _mm256_setzero_ps();
  for (int i = begin; i < end; i += 8) {
    const int left = end - i;
    __m256 e = exp_ps(_mm256_sub_ps(load_first(x + i, left), base));
    if (left < 8) e = _mm256_and_ps(e, _mm256_castsi256_ps(first_lanes(left)));
    sum = _mm256_add_ps(sum, e);
  }
  partial.sum = sum_lanes(sum);
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
    const float weight =
        partials[i].max == -kInfinity ? 1.0f : _mm256_cvtss_f32(exp_ps(_mm256_set1_ps(shift)));
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

}  // namespace millrace::kernels::avx2
