// Attention over paged KV, a chunk of positions at a time (kernels/chunked_attention.h). Up to four
// rows read each 16 tokens of K and V together. The softmax runs online, 16 tokens at a time from
// the start of a block, so a row's result does not depend on what it is grouped with.
#include "kernels/chunked_attention.h"
#include "kernels/neon/attention_softmax.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

using chunked::Row;
using chunked::Span;

// Sixteen neighbours as f32.
struct Sixteen {
  float32x4_t v[4];
};
MILLRACE_INLINE Sixteen widen(int16x8_t low, int16x8_t high) {
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_high_s16(high))}};
}
template <KvKind kKind>
MILLRACE_INLINE Sixteen load_sixteen(const uint8_t* from) {
  if constexpr (kKind == KvKind::f32) {
    const float* x = reinterpret_cast<const float*>(from);
    return {{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
  } else if constexpr (kKind == KvKind::bf16) {
    return {{load_bf16(from), load_bf16(from + 8), load_bf16(from + 16), load_bf16(from + 24)}};
  } else {
    const int8x16_t bytes = load16_signed(from);
    return widen(vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes));
  }
}

template <int r>
MILLRACE_INLINE void add_scores(Scores& score, const Sixteen& k, float32x4_t q) {
#pragma GCC unroll 4
  for (int i = 0; i < kStepVectors; ++i) score.v[i] = vfmaq_laneq_f32(score.v[i], k.v[i], q, r);
}

// score[r] of the 16 tokens whose K begins at `k` (its dimension 0).
template <KvKind kKind, int R>
MILLRACE_INLINE void score_tokens(const KvLayout& layout, const uint8_t* k, const Group& group,
                                  Scores (&score)[R]) {
  Scores sum[R] = {};  // not `score`, which is read by a running index: it would stay in memory
  const size_t row = layout.tokens * layout.element;
  const float* from = group.q;
  for (size_t d = 0; d < layout.width; ++d, k += row, from += kGroup) {
    const Sixteen keys = load_sixteen<kKind>(k);
    const float32x4_t q = vld1q_f32(from);
    add_scores<0>(sum[0], keys, q);
    if constexpr (R > 1) add_scores<1>(sum[1], keys, q);
    if constexpr (R > 2) add_scores<2>(sum[2], keys, q);
    if constexpr (R > 3) add_scores<3>(sum[3], keys, q);
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) score[r] = sum[r];
}

// out[r] += weights[r] · V over `tokens` tokens; what lies behind them in the block is never read.
template <KvKind kKind, int R>
MILLRACE_INLINE void add_values(const KvLayout& layout, const uint8_t* v, int tokens,
                                const float (*weights)[kStep], float* out, size_t out_stride) {
  const size_t row = layout.v_width * layout.element;
  for (size_t d = 0; d < layout.v_width; d += 16) {
    Sixteen sum[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const float* from = out + static_cast<size_t>(r) * out_stride + d;
      sum[r] = {{vld1q_f32(from), vld1q_f32(from + 4), vld1q_f32(from + 8), vld1q_f32(from + 12)}};
    }
    const uint8_t* from = v + d * layout.element;
    for (int t = 0; t < tokens; ++t, from += row) {
      const Sixteen value = load_sixteen<kKind>(from);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const float weight = weights[r][t];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) sum[r].v[i] = vfmaq_n_f32(sum[r].v[i], value.v[i], weight);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      float* to = out + static_cast<size_t>(r) * out_stride + d;
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) vst1q_f32(to + kLanes * i, sum[r].v[i]);
    }
  }
}

struct Source {
  const AttentionArgs& args;
  const KvLayout& layout;
  const Span& span;
};

template <KvKind kKind, int R>
void run_group(const Source& source, Group& group) {
  const KvLayout& layout = source.layout;
  const Span& span = source.span;
  const int block_tokens = source.args.shape.block_tokens;
  const auto kv_head = static_cast<size_t>(span.kv_head);
  float weights[R][kStep];
  Scores score[R];
  for (int position = span.begin; position < span.end; position += kStep) {
    const auto token = static_cast<size_t>(position % block_tokens);
    const uint8_t* block =
        static_cast<const uint8_t*>(source.args.layer_kv) +
        static_cast<size_t>(span.blocks[position / block_tokens]) * layout.block_bytes;
    score_tokens<kKind, R>(layout, block + layout.k_at(kv_head, 0, token), group, score);
    const auto* k_scale = reinterpret_cast<const float*>(block + layout.k_scale_at(kv_head, token));
    const auto* v_scale = reinterpret_cast<const float*>(block + layout.v_scale_at(kv_head, token));
    bool any = false;
    for (int r = 0; r < R; ++r) {
      any |= softmax_step<kKind>(group, r, source.args.soft_cap, position, k_scale, v_scale,
                                 score[r], weights[r]);
    }
    if (!any) continue;
    add_values<kKind, R>(layout, block + layout.v_at(kv_head, token),
                         smaller(kStep, span.end - position), weights, group.out, group.out_stride);
  }
}

template <KvKind kKind>
MILLRACE_INLINE void run_kind(const Source& source, int rows, Group& group) {
  switch (rows) {
    case 1:
      return run_group<kKind, 1>(source, group);
    case 2:
      return run_group<kKind, 2>(source, group);
    case 3:
      return run_group<kKind, 3>(source, group);
    default:
      return run_group<kKind, 4>(source, group);
  }
}

struct Machine {
  static constexpr int kRows = 16;

  explicit Machine(const AttentionArgs& of) : args(of), layout(of.shape) {}

  size_t width() const { return layout.v_width; }
  size_t own_bytes() const { return layout.width * kGroup * sizeof(float); }
  static float exp(float x) { return exp_one(x); }

  void chunk(const Span& span, const Span&, const Row* rows, int num_rows, float* partials,
             void* own) const {
    const size_t stride = chunked::kHead + layout.v_width;
    for (int r = 0; r < num_rows; r += kGroup) {
      group_chunk(span, rows + r, smaller(kGroup, num_rows - r),
                  partials + static_cast<size_t>(r) * stride, static_cast<float*>(own));
    }
  }

  void group_chunk(const Span& span, const Row* rows, int num_rows, float* partials,
                   float* q) const {
    Group group = {};
    group.q = q;
    group.out = partials + chunked::kHead;
    group.out_stride = chunked::kHead + layout.v_width;
    group.out_width = layout.v_width;
    for (int r = 0; r < num_rows; ++r) {
      group.first[r] = rows[r].first;
      group.last[r] = rows[r].last;
      group.max[r] = -kInfinity;
      for (size_t d = 0; d < layout.width; ++d) {
        q[d * kGroup + static_cast<size_t>(r)] = rows[r].q[d] * args.scale;
      }
      memset(group.out_of(r), 0, layout.v_width * sizeof(float));
    }
    const Source source = {args, layout, span};
    switch (args.shape.kind) {
      case KvKind::f32:
        run_kind<KvKind::f32>(source, num_rows, group);
        break;
      case KvKind::bf16:
        run_kind<KvKind::bf16>(source, num_rows, group);
        break;
      case KvKind::i8:
        run_kind<KvKind::i8>(source, num_rows, group);
        break;
    }
    for (int r = 0; r < num_rows; ++r) {
      float* const partial = partials + static_cast<size_t>(r) * group.out_stride;
      partial[0] = group.max[r];
      partial[1] = group.sum[r];
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

}  // namespace millrace::kernels::neon
