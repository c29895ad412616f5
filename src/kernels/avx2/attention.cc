// Attention over paged KV, a chunk of positions at a time (kernels/chunked_attention.h): scores of
// all rows, softmax, weighted V. Rows pass over K and V in groups of up to four while 64 positions
// of them are in the first cache.
#include "kernels/avx2/attention_softmax.h"
#include "kernels/avx2/kv_layout.h"
#include "kernels/avx2/table.h"
#include "kernels/chunked_attention.h"

namespace millrace::kernels::avx2 {
namespace {

using chunked::kChunk;
using chunked::Row;
using chunked::Span;

constexpr int kStep = 16;  // positions that lie together in a block
constexpr int kSteps = 4;  // of a pass
constexpr int kPass = kStep * kSteps;
constexpr int kRows = 16;  // of a task, at most

// K and V of one KV head of a sequence.
struct Source {
  const AttentionArgs& args;
  const KvLayout& layout;
  const Span& span;

  const uint8_t* block(int position) const {
    return static_cast<const uint8_t*>(args.layer_kv) +
           static_cast<size_t>(span.blocks[position / args.shape.block_tokens]) *
               layout.block_bytes;
  }
  size_t head() const { return static_cast<size_t>(span.kv_head); }
  size_t token(int position) const {
    return static_cast<size_t>(position % args.shape.block_tokens);
  }
  size_t step_bytes(bool of_v) const {
    return kStep * (of_v ? layout.v_width : layout.width) * layout.element;
  }
};

// Positions [begin, end) of K or V, and what is asked for meanwhile: those of the next pass, evenly
// over all iterations, because only so many lines can be under way. Hardware does not look past the
// end of a block.
struct Pass {
  int begin, end;
  const uint8_t* from[kSteps];
  const uint8_t* ahead[kSteps];
  size_t each;  // bytes to ask for in an iteration over 16 elements

  Pass(const Source& source, bool of_v, int first, int last) : begin(first), end(last), each(0) {
    for (int s = 0; begin + kStep * s < end; ++s) {
      const int position = begin + kStep * s;
      const size_t token = source.token(position);
      from[s] = source.block(position) + (of_v ? source.layout.v_at(source.head(), token)
                                               : source.layout.k_at(source.head(), 0, token));
      ahead[s] = from[s];
    }
  }

  // The next pass is of [next, last); every group of rows asks for its part.
  void ask(const Source& source, bool of_v, int next, int last, int groups) {
    if (next >= last) return;
    const auto parts = static_cast<size_t>(groups);
    each = (kStep * source.layout.element + parts - 1) / parts;
    for (int s = 0; begin + kStep * s < end; ++s) {
      const int position = smaller(next + kStep * s, last - 1);
      ahead[s] =
          source.block(position) +
          (of_v ? source.layout.v_at(source.head(), 0) : source.layout.k_at(source.head(), 0, 0)) +
          source.token(position) / kStep * source.step_bytes(of_v);
    }
  }
};

MILLRACE_INLINE void prefetch(const uint8_t* at) {
  _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0);
}

// Sixteen neighbours as f32. Of bf16, a holds the even ones and b the odd ones, which costs half as
// much; put_in_order undoes it.
template <KvKind kKind>
MILLRACE_INLINE void load_sixteen(const uint8_t* from, __m256& a, __m256& b) {
  if constexpr (kKind == KvKind::f32) {
    a = _mm256_loadu_ps(reinterpret_cast<const float*>(from));
    b = _mm256_loadu_ps(reinterpret_cast<const float*>(from) + 8);
  } else if constexpr (kKind == KvKind::bf16) {
    const __m256i pairs = load256(from);
    a = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    b = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
  } else {
    a = load_i8(from);
    b = load_i8(from + 8);
  }
}
template <KvKind kKind>
MILLRACE_INLINE void put_in_order(__m256& a, __m256& b) {
  if constexpr (kKind != KvKind::bf16) return;
  const __m256 low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b);
  a = _mm256_permute2f128_ps(low, high, 0x20);
  b = _mm256_permute2f128_ps(low, high, 0x31);
}
template <KvKind kKind>
MILLRACE_INLINE __m256 load_eight(const uint8_t* from) {
  if constexpr (kKind == KvKind::f32) return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
  if constexpr (kKind == KvKind::bf16) return load_bf16(from);
  return load_i8(from);
}

// Values loaded before are loaded again: g++ 12 would rather keep them and spill sums.
MILLRACE_INLINE void keep_no_loads() {
  asm volatile("" ::: "memory");
}

// ---- scores

// scores[r][0 .. 16·S) = q_r · K of S steps of the pass.
template <KvKind kKind, int R, int S>
MILLRACE_INLINE void score_steps(const KvLayout& layout, const Pass& pass, int group, int step,
                                 const Row* rows, float* scores) {
  const size_t width = layout.width, row = layout.tokens * layout.element;
  const uint8_t *k[S], *ahead[S];
  for (int s = 0; s < S; ++s) {
    k[s] = pass.from[step + s];
    ahead[s] = pass.ahead[step + s] + static_cast<size_t>(group) * width * pass.each;
  }
  const float* q[R];
  for (int r = 0; r < R; ++r) q[r] = rows[r].q;
  __m256 sum[R][S][2];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) sum[r][s][0] = sum[r][s][1] = _mm256_setzero_ps();
  }
  for (size_t d = 0; d < width; ++d) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
      __m256 a, b;
      load_sixteen<kKind>(k[s] + d * row, a, b);
      prefetch(ahead[s] + d * pass.each);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const __m256 x = _mm256_broadcast_ss(q[r] + d);
        sum[r][s][0] = _mm256_fmadd_ps(x, a, sum[r][s][0]);
        sum[r][s][1] = _mm256_fmadd_ps(x, b, sum[r][s][1]);
      }
      if (S > 1) keep_no_loads();
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
      put_in_order<kKind>(sum[r][s][0], sum[r][s][1]);
      _mm256_storeu_ps(scores + r * kChunk + kStep * s, sum[r][s][0]);
      _mm256_storeu_ps(scores + r * kChunk + kStep * s + 8, sum[r][s][1]);
    }
  }
}

// As many steps at once as keep eight to twelve sums going.
template <KvKind kKind, int R>
void score_group(const KvLayout& layout, const Pass& pass, int group, const Row* rows,
                 float* scores) {
  constexpr int kAtOnce = R == 1 ? 4 : R == 4 ? 1 : 2;
  const int steps = ceil_div(pass.end - pass.begin, kStep);
  int s = 0;
  for (; s + kAtOnce <= steps; s += kAtOnce) {
    score_steps<kKind, R, kAtOnce>(layout, pass, group, s, rows, scores + kStep * s);
  }
  for (; s < steps; ++s) {
    score_steps<kKind, R, 1>(layout, pass, group, s, rows, scores + kStep * s);
  }
}

// ---- values

// to[r][16·C dims] += weights[r] · V of the pass; what lies behind its end is never read.
template <KvKind kKind, int R, int C>
MILLRACE_INLINE void add_columns(const KvLayout& layout, const Pass& pass, int group, size_t dim,
                                 const float* weights, float* to, size_t stride) {
  const size_t row = layout.v_width * layout.element;
  __m256 sum[R][C][2];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      const float* from = to + static_cast<size_t>(r) * stride + dim + kStep * c;
      sum[r][c][0] = _mm256_loadu_ps(from);
      sum[r][c][1] = _mm256_loadu_ps(from + 8);
    }
  }
  for (int s = 0; pass.begin + kStep * s < pass.end; ++s) {
    const uint8_t* v = pass.from[s] + dim * layout.element;
    const uint8_t* ahead =
        pass.ahead[s] + (static_cast<size_t>(group) * layout.v_width + dim) * pass.each;
    const float* w = weights + kStep * s;
    const int tokens = smaller(kStep, pass.end - pass.begin - kStep * s);
    for (int t = 0; t < tokens; ++t, v += row, ahead += C * pass.each, ++w) {
      prefetch(ahead);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        __m256 a, b;
        load_sixteen<kKind>(v + static_cast<size_t>(kStep * c) * layout.element, a, b);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const __m256 x = _mm256_broadcast_ss(w + r * kChunk);
          sum[r][c][0] = _mm256_fmadd_ps(x, a, sum[r][c][0]);
          sum[r][c][1] = _mm256_fmadd_ps(x, b, sum[r][c][1]);
        }
        if (C > 1) keep_no_loads();
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      float* into = to + static_cast<size_t>(r) * stride + dim + kStep * c;
      _mm256_storeu_ps(into, sum[r][c][0]);
      _mm256_storeu_ps(into + 8, sum[r][c][1]);
    }
  }
}

// The last eight dims of a width that is no multiple of sixteen.
template <KvKind kKind>
void add_last_eight(const KvLayout& layout, const Pass& pass, size_t dim, const float* weights,
                    float* to) {
  __m256 sum = _mm256_loadu_ps(to + dim);
  for (int i = 0; i < pass.end - pass.begin; ++i) {
    const uint8_t* v = pass.from[i / kStep] +
                       (static_cast<size_t>(i % kStep) * layout.v_width + dim) * layout.element;
    sum = _mm256_fmadd_ps(_mm256_broadcast_ss(weights + i), load_eight<kKind>(v), sum);
  }
  _mm256_storeu_ps(to + dim, sum);
}

template <KvKind kKind, int R>
void value_group(const KvLayout& layout, const Pass& pass, int group, const float* weights,
                 float* to, size_t stride) {
  constexpr int kColumns = R == 1 ? 4 : R == 4 ? 1 : 2;
  size_t d = 0;
  for (; d + kStep * kColumns <= layout.v_width; d += kStep * kColumns) {
    add_columns<kKind, R, kColumns>(layout, pass, group, d, weights, to, stride);
  }
  for (; d + kStep <= layout.v_width; d += kStep) {
    add_columns<kKind, R, 1>(layout, pass, group, d, weights, to, stride);
  }
  for (int r = 0; d < layout.v_width && r < R; ++r) {
    add_last_eight<kKind>(layout, pass, d, weights + r * kChunk,
                          to + static_cast<size_t>(r) * stride);
  }
}

// ---- a chunk

// f.template operator()<R>(first row, group) for groups of R <= 4 rows.
constexpr int kGroup = 4;
template <class F>
MILLRACE_INLINE void for_groups(int rows, const F& f) {
  for (int r = 0; r < rows; r += kGroup) {
    switch (rows - r) {
      case 1:
        f.template operator()<1>(r, r / kGroup);
        break;
      case 2:
        f.template operator()<2>(r, r / kGroup);
        break;
      case 3:
        f.template operator()<3>(r, r / kGroup);
        break;
      default:
        f.template operator()<4>(r, r / kGroup);
    }
  }
}

// A thread's own memory.
struct Own {
  float scores[kRows][kChunk];  // then weights
  float k_scale[kChunk], v_scale[kChunk];
};

// The scales of i8 lie by blocks.
void copy_scales(const Source& source, Own& own) {
  const Span& span = source.span;
  for (int p = span.begin; p < span.end; p += kStep) {
    const uint8_t* block = source.block(p);
    const size_t token = source.token(p);
    memcpy(own.k_scale + (p - span.begin), block + source.layout.k_scale_at(source.head(), token),
           kStep * sizeof(float));
    memcpy(own.v_scale + (p - span.begin), block + source.layout.v_scale_at(source.head(), token),
           kStep * sizeof(float));
  }
}

template <KvKind kKind>
void run_chunk(const Source& source, const Source& next, const Row* rows, int num_rows,
               float* partials, Own& own) {
  const Span& span = source.span;
  const KvLayout& layout = source.layout;
  const size_t width = layout.v_width, stride = chunked::kHead + width;
  const int groups = ceil_div(num_rows, kGroup);
  for (int p = span.begin; p < span.end; p += kPass) {
    const int stop = smaller(span.end, p + kPass);
    Pass pass(source, false, p, stop);
    if (stop < span.end) {
      pass.ask(source, false, stop, span.end, groups);
    } else {
      pass.ask(source, true, span.begin, span.end, groups);
    }
    for_groups(num_rows, [&]<int R>(int r, int group) {
      score_group<kKind, R>(layout, pass, group, rows + r, own.scores[r] + (p - span.begin));
    });
  }
  if constexpr (kKind == KvKind::i8) copy_scales(source, own);
  const Softmax softmax = {span.begin,           span.end,    source.args.scale,
                           source.args.soft_cap, own.k_scale, own.v_scale};
  for (int r = 0; r < num_rows; ++r) {
    float* const partial = partials + static_cast<size_t>(r) * stride;
    soften<kKind>(softmax, rows[r].first, rows[r].last, own.scores[r], partial);
    memset(partial + chunked::kHead, 0, width * sizeof(float));
  }
  float* const sums = partials + chunked::kHead;
  for (int p = span.begin; p < span.end; p += kPass) {
    const int stop = smaller(span.end, p + kPass);
    Pass pass(source, true, p, stop);
    if (stop < span.end) {
      pass.ask(source, true, stop, span.end, groups);
    } else {
      pass.ask(next, false, next.span.begin, next.span.end, groups);
    }
    for_groups(num_rows, [&]<int R>(int r, int group) {
      value_group<kKind, R>(layout, pass, group, own.scores[r] + (p - span.begin),
                            sums + static_cast<size_t>(r) * stride, stride);
    });
  }
  for (int r = 0; kKind == KvKind::bf16 && r < num_rows; ++r) {
    float* const sum = sums + static_cast<size_t>(r) * stride;
    for (size_t d = 0; d + kStep <= width; d += kStep) {
      __m256 a = _mm256_loadu_ps(sum + d), b = _mm256_loadu_ps(sum + d + 8);
      put_in_order<kKind>(a, b);
      _mm256_storeu_ps(sum + d, a);
      _mm256_storeu_ps(sum + d + 8, b);
    }
  }
}

struct Machine {
  static constexpr int kRows = avx2::kRows;

  explicit Machine(const AttentionArgs& of) : args(of), layout(of.shape) {}

  size_t width() const { return layout.v_width; }
  size_t own_bytes() const { return sizeof(Own); }
  static float exp(float x) { return _mm256_cvtss_f32(exp_ps(_mm256_set1_ps(x))); }

  void chunk(const Span& span, const Span& next, const Row* rows, int num_rows, float* partials,
             void* own) const {
    const Source source = {args, layout, span}, then = {args, layout, next};
    auto& mine = *static_cast<Own*>(own);
    switch (args.shape.kind) {
      case KvKind::f32:
        return run_chunk<KvKind::f32>(source, then, rows, num_rows, partials, mine);
      case KvKind::bf16:
        return run_chunk<KvKind::bf16>(source, then, rows, num_rows, partials, mine);
      case KvKind::i8:
        return run_chunk<KvKind::i8>(source, then, rows, num_rows, partials, mine);
    }
  }

  const AttentionArgs& args;
  const KvLayout layout;
};

}  // namespace

std::size_t attention_scratch(const ExecView& exec, const AttentionArgs& args) {
  return chunked::Attention(exec, args, Machine(args)).scratch_bytes();
}

void attention(const ExecView& exec, const AttentionArgs& args) {
  chunked::Attention(exec, args, Machine(args)).run();
}

}  // namespace millrace::kernels::avx2
