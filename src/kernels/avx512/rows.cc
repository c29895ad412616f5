// Norms, rotary positions, addition and the statistics of a row of logits.
#include <math.h>

#include "kernels/avx512/norm.h"
#include "kernels/avx512/ops.h"
#include "kernels/avx512/panel.h"

namespace millrace::kernels {
namespace {

struct StoreRow {
  StoreRow(const NormArgs& args, int row) : out(args.out + row * args.out_stride) {}
  void operator()(int i, __mmask16 mask, __m512 v) const {
    _mm512_mask_storeu_ps(out + i, mask, v);
  }
  float* out;
};

// Pairs (i, i + half).
void rotate_halves(float* x, int half, const float* cosine, const float* sine) {
  for_vectors(half, [&](int i, __mmask16 mask) {
    const __m512 a = _mm512_maskz_loadu_ps(mask, x + i);
    const __m512 b = _mm512_maskz_loadu_ps(mask, x + half + i);
    const __m512 c = _mm512_maskz_loadu_ps(mask, cosine + i);
    const __m512 s = _mm512_maskz_loadu_ps(mask, sine + i);
    _mm512_mask_storeu_ps(x + i, mask, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
    _mm512_mask_storeu_ps(x + half + i, mask, _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)));
  });
}

// Pairs (2i, 2i + 1).
void rotate_pairs(float* x, int pairs, const float* cosine, const float* sine) {
  const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  for (int i = 0; i < pairs; i += 8) {
    const int count = pairs - i < 8 ? pairs - i : 8;
    const __mmask16 mask = tail_mask(2 * count), few = tail_mask(count);
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + 2 * i);
    const __m512 c = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(few, cosine + i));
    const __m512 s = _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(few, sine + i));
    const __m512 swapped = _mm512_permute_ps(v, 0xb1);
    _mm512_mask_storeu_ps(x + 2 * i, mask, _mm512_fmaddsub_ps(v, c, _mm512_mul_ps(swapped, s)));
  }
}

RowStats stats_of(const float* x, int width) {
  __m512 best = _mm512_set1_ps(-INFINITY);
  __m512i where = _mm512_setzero_si512();
  __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for_vectors(width, [&](int i, __mmask16 mask) {
    const __m512 v = _mm512_mask_loadu_ps(_mm512_set1_ps(-INFINITY), mask, x + i);
    const __mmask16 better = _mm512_cmp_ps_mask(v, best, _CMP_GT_OQ);
    best = _mm512_mask_mov_ps(best, better, v);
    where = _mm512_mask_mov_epi32(where, better, index);
    index = _mm512_add_epi32(index, _mm512_set1_epi32(16));
  });
  const float max = _mm512_reduce_max_ps(best);
  const __mmask16 tied = _mm512_cmp_ps_mask(best, _mm512_set1_ps(max), _CMP_EQ_OQ);
  const int argmax = tied == 0 ? 0 : static_cast<int>(_mm512_mask_reduce_min_epu32(tied, where));
  // Four chains, added in a fixed order.
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                    _mm512_setzero_ps()};
  const __m512 shift = _mm512_set1_ps(max);
  for_vectors(width, [&](int i, __mmask16 mask) {
    const __m512 e =
        _mm512_maskz_mov_ps(mask, exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), shift)));
    __m512& sum = sums[i / 16 % 4];
    sum = _mm512_add_ps(sum, e);
  });
  const float total = _mm512_reduce_add_ps(
      _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
  return {.max = max, .argmax = argmax, .log_sum_exp = max + logf(total)};
}

}  // namespace

namespace avx512 {

void rms_norm(const ExecView& exec, const NormArgs& args) {
  for_row_runs(exec, args.rows, args.width, [&](int begin, int end) {
    for (int row = begin; row < end; ++row) rms_norm_row(args, row, StoreRow{args, row});
  });
}

void layer_norm(const ExecView& exec, const NormArgs& args) {
  for_row_runs(exec, args.rows, args.width, [&](int begin, int end) {
    for (int row = begin; row < end; ++row) layer_norm_row(args, row, StoreRow{args, row});
  });
}

void rope(const ExecView& exec, const RopeArgs& args) {
  const int pairs = args.rotary_dim / 2;
  for_row_runs(exec, args.tokens, args.heads * args.head_dim, [&](int begin, int end) {
    for (int token = begin; token < end; ++token) {
      const ptrdiff_t angle = static_cast<ptrdiff_t>(args.positions[token]) * pairs;
      for (int head = 0; head < args.heads; ++head) {
        float* x = args.x + token * args.x_stride + static_cast<ptrdiff_t>(head) * args.head_dim;
        if (args.interleaved) {
          rotate_pairs(x, pairs, args.cosine + angle, args.sine + angle);
        } else {
          rotate_halves(x, pairs, args.cosine + angle, args.sine + angle);
        }
      }
    }
  });
}

void add_rows(const ExecView& exec, const AddRowsArgs& args) {
  for_row_runs(exec, args.rows, args.width, [&](int begin, int end) {
    const size_t first = static_cast<size_t>(begin) * static_cast<size_t>(args.width);
    const size_t count = static_cast<size_t>(end - begin) * static_cast<size_t>(args.width);
    const float* x = args.x + first;
    const float* y = args.y + first;
    float* out = args.out + first;
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
      _mm512_storeu_ps(out + i, _mm512_add_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
    }
    for (; i < count; ++i) out[i] = x[i] + y[i];
  });
}

void row_stats(const ExecView& exec, const RowStatsArgs& args) {
  for_row_runs(exec, args.rows, args.width, [&](int begin, int end) {
    for (int row = begin; row < end; ++row) {
      args.out[row] = stats_of(args.x + row * args.x_stride, args.width);
    }
  });
}

}  // namespace avx512
}  // namespace millrace::kernels
