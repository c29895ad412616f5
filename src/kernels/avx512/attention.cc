// Attention over paged KV in f32 arithmetic, a chunk of positions at a time
// (kernels/chunked_attention.h). Rows that share a KV head (its query heads, and neighbouring
// tokens) are processed four at a time, while K and V of the chunk are in the second cache.
#include <math.h>

#include "kernels/avx512/ask.h"
#include "kernels/avx512/chunk.h"
#include "kernels/avx512/ops.h"

namespace millrace::kernels {
namespace {

constexpr int kGroup = 4;  // rows at a time

// scores[r][16] = q_r · K over 16 tokens whose K begins at `k`; as many lines are asked for.
template <KvKind kind, int rows, Cache into>
void dot_keys(const uint8_t* k, const uint8_t* ahead, size_t depth, const float* const* q,
              int head_dim, __m512* acc) {
  for (int r = 0; r < rows; ++r) acc[r] = _mm512_setzero_ps();
  const auto add = [&](int i, __m512 v) {
    if (i >= head_dim) return;
    for (int r = 0; r < rows; ++r) acc[r] = _mm512_fmadd_ps(_mm512_set1_ps(q[r][i]), v, acc[r]);
  };
  const int count = static_cast<int>(depth);
  if constexpr (kind == KvKind::f32) {
    for (int i = 0; i < head_dim; ++i) {
      ask<into>(ahead + 64 * static_cast<size_t>(i));
      add(i, _mm512_loadu_ps(k + 64 * static_cast<size_t>(i)));
    }
  } else if constexpr (kind == KvKind::bf16) {
    for (int i = 0; i < count; i += 2) {
      ask<into>(ahead + 32 * static_cast<size_t>(i));
      const __m512i v = _mm512_loadu_si512(k + 32 * static_cast<size_t>(i));
      add(i, _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)));
      add(i + 1, _mm512_castsi512_ps(
                     _mm512_and_si512(v, _mm512_set1_epi32(static_cast<int>(0xffff0000u)))));
    }
  } else {
    for (int i = 0; i < count; i += 4) {
      ask<into>(ahead + 16 * static_cast<size_t>(i));
      const __m512i v = _mm512_loadu_si512(k + 16 * static_cast<size_t>(i));
      add(i, _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 24), 24)));
      add(i + 1, _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 16), 24)));
      add(i + 2, _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 8), 24)));
      add(i + 3, _mm512_cvtepi32_ps(_mm512_srai_epi32(v, 24)));
    }
  }
}

// Scores of the chunk, -inf where a row does not see the position.
template <KvKind kind, int rows, Cache into>
void score_chunk(const Chunk& chunk, const Ahead& ahead, const Row* row, float (*scores)[kChunk]) {
  const AttentionArgs& args = chunk.args;
  const float* q[rows];
  for (int r = 0; r < rows; ++r) q[r] = row[r].q;
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int p = chunk.begin; p < chunk.end; p += 16) {
    __m512 acc[rows];
    dot_keys<kind, rows, into>(chunk.keys(p), ahead.during((p - chunk.begin) / 16),
                               chunk.layout.depth, q, args.shape.head_dim, acc);
    const __m512i position = _mm512_add_epi32(lanes, _mm512_set1_epi32(p));
    for (int r = 0; r < rows; ++r) {
      __m512 s = _mm512_mul_ps(acc[r], _mm512_set1_ps(args.scale));
      if constexpr (kind == KvKind::i8)
        s = _mm512_mul_ps(s, _mm512_loadu_ps(chunk.scales(p, false)));
      if (args.soft_cap > 0) s = soft_capped(s, args.soft_cap);
      const __mmask16 seen = _mm512_cmple_epi32_mask(position, _mm512_set1_epi32(row[r].last)) &
                             _mm512_cmpge_epi32_mask(position, _mm512_set1_epi32(row[r].first));
      s = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), seen, s);
      _mm512_storeu_ps(scores[r] + (p - chunk.begin), s);
    }
  }
}

// Scores to weights e^(s - max), in place. Returns max and sum.
struct Softmax {
  float max, sum;
};
Softmax soften(float* scores, int count) {
  __m512 max = _mm512_set1_ps(-INFINITY);
  for (int i = 0; i < count; i += 16) max = _mm512_max_ps(max, _mm512_loadu_ps(scores + i));
  const float largest = _mm512_reduce_max_ps(max);
  if (largest == -INFINITY) {
    for (int i = 0; i < count; i += 16) _mm512_storeu_ps(scores + i, _mm512_setzero_ps());
    return {largest, 0.0f};
  }
  __m512 sum = _mm512_setzero_ps();
  for (int i = 0; i < count; i += 16) {
    const __m512 e = exp16(_mm512_sub_ps(_mm512_loadu_ps(scores + i), _mm512_set1_ps(largest)));
    _mm512_storeu_ps(scores + i, e);
    sum = _mm512_add_ps(sum, e);
  }
  return {largest, _mm512_reduce_add_ps(sum)};
}

// sums[r][columns of 16] += weights · V for `vectors` (<= 4) vectors of dims from `first`.
template <KvKind kind, int rows, int vectors, Cache into>
void add_values(const Chunk& chunk, const Ahead& ahead, const float (*weights)[kChunk],
                size_t first, float* const* to) {
  const size_t width = chunk.layout.width;
  constexpr size_t kToken = 16 * vectors * (kind == KvKind::f32 ? 4 : kind == KvKind::bf16 ? 2 : 1);
  const int groups = (chunk.end - chunk.begin + 15) / 16;
  __m512 acc[rows][vectors];
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < vectors; ++c) acc[r][c] = _mm512_setzero_ps();
  }
  const auto add = [&](int p, int c, __m512 v) {
    for (int r = 0; r < rows; ++r) {
      const __m512 w = _mm512_set1_ps(weights[r][p - chunk.begin]);
      acc[r][c] = _mm512_fmadd_ps(w, v, acc[r][c]);
    }
  };
  for (int g = 0; g < groups; ++g) {
    const int begin = chunk.begin + 16 * g, left = chunk.end - begin;
    const uint8_t* v = chunk.values(begin);
    // The lines of these columns, or as many.
    const uint8_t* wanted = ahead.during(groups + g) + 16 * kToken * (first / (16 * vectors));
    for (size_t token = 0; token < static_cast<size_t>(left < 16 ? left : 16); ++token) {
      const int p = begin + static_cast<int>(token);
      for (size_t line = 0; line < kToken; line += 64) {
        ask<into>(wanted + token * kToken + line);
      }
      for (int c = 0; c < vectors; ++c) {
        const size_t column = first + 16 * static_cast<size_t>(c);
        if constexpr (kind == KvKind::f32) {
          add(p, c, _mm512_loadu_ps(v + 4 * (token * width + column)));
        } else if constexpr (kind == KvKind::bf16) {
          const __m512i pair = _mm512_loadu_si512(v + 4 * (token / 2 * width + column));
          const __m512i bits =
              token % 2 == 0
                  ? _mm512_slli_epi32(pair, 16)
                  : _mm512_and_si512(pair, _mm512_set1_epi32(static_cast<int>(0xffff0000u)));
          add(p, c, _mm512_castsi512_ps(bits));
        } else {
          add(p, c, load_i8x16(v + token * width + column));
        }
      }
    }
  }
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < vectors; ++c) _mm512_storeu_ps(to[r] + first + 16 * c, acc[r][c]);
  }
}

// The chunk's partial result of each row, into partial[r]. A row whose scores are all NaN has no
// maximum, but a sum.
template <KvKind kind, int rows, Cache into>
void chunk_partials(const Chunk& chunk, const Ahead& ahead, const Row* row, float* const* partial) {
  alignas(64) float scores[rows][kChunk];
  score_chunk<kind, rows, into>(chunk, ahead, row, scores);
  const int count = chunk.end - chunk.begin;
  float* sums[rows];
  for (int r = 0; r < rows; ++r) {
    const Softmax s = soften(scores[r], round_up(count, 16));
    const bool sees = row[r].first < chunk.end && row[r].last >= chunk.begin;
    partial[r][0] = s.max;
    partial[r][1] = sees && s.max == -INFINITY ? NAN : s.sum;
    sums[r] = partial[r] + chunked::kHead;
    if constexpr (kind == KvKind::i8) {
      for (int p = chunk.begin; p < chunk.end; ++p) {
        scores[r][p - chunk.begin] *= *chunk.scales(p, true);
      }
    }
  }
  size_t c = 0;
  for (; c + 64 <= chunk.layout.width; c += 64)
    add_values<kind, rows, 4, into>(chunk, ahead, scores, c, sums);
  for (; c < chunk.layout.width; c += 16)
    add_values<kind, rows, 1, into>(chunk, ahead, scores, c, sums);
}

using PartialsFn = void (*)(const Chunk&, const Ahead&, const Row*, float* const*);

template <KvKind kind, Cache into>
PartialsFn partials_fn_of(int rows) {
  switch (rows) {
    case 1:
      return chunk_partials<kind, 1, into>;
    case 2:
      return chunk_partials<kind, 2, into>;
    case 3:
      return chunk_partials<kind, 3, into>;
    default:
      return chunk_partials<kind, 4, into>;
  }
}
template <Cache into>
PartialsFn partials_fn_asking(KvKind kind, int rows) {
  return kind == KvKind::f32    ? partials_fn_of<KvKind::f32, into>(rows)
         : kind == KvKind::bf16 ? partials_fn_of<KvKind::bf16, into>(rows)
                                : partials_fn_of<KvKind::i8, into>(rows);
}
PartialsFn partials_fn(KvKind kind, int rows) {
  return cache_to_ask() == Cache::second ? partials_fn_asking<Cache::second>(kind, rows)
                                         : partials_fn_asking<Cache::first>(kind, rows);
}

struct Machine {
  static constexpr int kRows = 16;

  explicit Machine(const AttentionArgs& of) : args(of), layout(kv_layout(of.shape)) {}

  size_t width() const { return layout.width; }
  size_t own_bytes() const { return 0; }
  static float exp(float x) { return _mm512_cvtss_f32(exp16(_mm512_set1_ps(x))); }

  void chunk(const Span& span, const Span& next, const Row* rows, int num_rows, float* partials,
             void*) const {
    const Chunk chunk = chunk_of(args, layout, span);
    const Ahead ahead(chunk, chunk_of(args, layout, next));
    for (int r = 0; r < num_rows; r += kGroup) {
      const int count = chunked::smaller(kGroup, num_rows - r);
      float* to[kGroup];
      for (int i = 0; i < count; ++i) {
        to[i] = partials + static_cast<size_t>(r + i) * (chunked::kHead + layout.width);
      }
      partials_fn(args.shape.kind, count)(chunk, ahead, rows + r, to);
    }
  }

  const AttentionArgs& args;
  const KvLayout layout;
};

}  // namespace

namespace avx512 {

size_t attention_scratch(const ExecView& exec, const AttentionArgs& args) {
  return chunked::Attention(exec, args, Machine(args)).scratch_bytes();
}

void attention(const ExecView& exec, const AttentionArgs& args) {
  chunked::Attention(exec, args, Machine(args)).run();
}

}  // namespace avx512
}  // namespace millrace::kernels
