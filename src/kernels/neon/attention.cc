// Flash attention over paged KV. A task takes some query rows of one sequence and one KV head; up
// to four query vectors (rows × the heads that share this KV head) read each 16 tokens of K and V
// together. The softmax runs online, 16 tokens at a time from the start of a block, so a vector's
// result does not depend on what it is grouped with.
#include "kernels/neon/attention_softmax.h"
#include "kernels/neon/table.h"

namespace millrace::kernels::neon {
namespace {

constexpr int kVectorsPerTask = 32;  // about

struct Plan {
  const AttentionArgs& args;
  KvLayout layout;
  int heads_per_kv;
  int heads_per_task;  // heads_per_kv, or 1 when there are too few tasks for the threads
  int rows_per_task;
  int* first_task;  // [num_seqs + 1], in scratch
  uint8_t* thread_scratch;
  size_t thread_bytes;
};

size_t group_bytes(const KvLayout& layout) {
  return round_up((layout.width + layout.v_width) * kGroup * sizeof(float), 64);
}

int rows_of(const AttentionArgs& args, int seq) {
  return args.query_start[seq + 1] - args.query_start[seq];
}

int count_tasks(const Plan& plan, int* first_task) {
  const int head_groups = plan.args.heads / plan.heads_per_task;
  int tasks = 0;
  for (int s = 0; s < plan.args.num_seqs; ++s) {
    if (first_task != nullptr) first_task[s] = tasks;
    tasks += ceil_div(rows_of(plan.args, s), plan.rows_per_task) * head_groups;
  }
  if (first_task != nullptr) first_task[plan.args.num_seqs] = tasks;
  return tasks;
}

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
                                const float (*weights)[kStep], float* out) {
  const size_t row = layout.v_width * layout.element;
  for (size_t d = 0; d < layout.v_width; d += 16) {
    Sixteen sum[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const float* from = out + static_cast<size_t>(r) * layout.v_width + d;
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
      float* to = out + static_cast<size_t>(r) * layout.v_width + d;
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) vst1q_f32(to + kLanes * i, sum[r].v[i]);
    }
  }
}

template <KvKind kKind, int R>
void run_group(const Plan& plan, int seq, size_t kv_head, Group& group) {
  const AttentionArgs& args = plan.args;
  const KvLayout& layout = plan.layout;
  int begin = group.first[0], end = group.last[0];
  for (int r = 1; r < R; ++r) {
    begin = smaller(begin, group.first[r]);
    end = larger(end, group.last[r]);
  }
  const int32_t* blocks = args.block_table + int64_t{seq} * args.block_table_stride;
  float weights[R][kStep];
  Scores score[R];
  for (int position = begin / kStep * kStep; position <= end; position += kStep) {
    const auto token = static_cast<size_t>(position % args.shape.block_tokens);
    const uint8_t* block =
        static_cast<const uint8_t*>(args.layer_kv) +
        static_cast<size_t>(blocks[position / args.shape.block_tokens]) * layout.block_bytes;
    score_tokens<kKind, R>(layout, block + layout.k_at(kv_head, 0, token), group, score);
    const auto* k_scale = reinterpret_cast<const float*>(block + layout.k_scale_at(kv_head, token));
    const auto* v_scale = reinterpret_cast<const float*>(block + layout.v_scale_at(kv_head, token));
    bool any = false;
    for (int r = 0; r < R; ++r) {
      any |= softmax_step<kKind>(group, r, layout.v_width, args.soft_cap, position, k_scale,
                                 v_scale, score[r], weights[r]);
    }
    if (!any) continue;
    add_values<kKind, R>(layout, block + layout.v_at(kv_head, token),
                         smaller(kStep, end - position + 1), weights, group.out);
  }
}

template <KvKind kKind>
MILLRACE_INLINE void run_kind(const Plan& plan, int seq, size_t kv_head, Group& group) {
  switch (group.count) {
    case 1:
      return run_group<kKind, 1>(plan, seq, kv_head, group);
    case 2:
      return run_group<kKind, 2>(plan, seq, kv_head, group);
    case 3:
      return run_group<kKind, 3>(plan, seq, kv_head, group);
    default:
      return run_group<kKind, 4>(plan, seq, kv_head, group);
  }
}

void add_vector(const Plan& plan, Group& group, int seq, int row, int head) {
  const AttentionArgs& args = plan.args;
  const int r = group.count++;
  group.row[r] = row;
  group.head[r] = head;
  group.last[r] = args.context_len[seq] - args.query_start[seq + 1] + row;
  group.first[r] = args.window > 0 ? larger(0, group.last[r] - args.window + 1) : 0;
  group.max[r] = -kInfinity;
  group.sum[r] = 0;
  const float* q = args.q + row * args.q_stride + int64_t{head} * args.shape.head_dim;
  for (size_t d = 0; d < plan.layout.width; ++d) {
    group.q[d * kGroup + static_cast<size_t>(r)] = q[d] * args.scale;
  }
  memset(group.out + static_cast<size_t>(r) * plan.layout.v_width, 0,
         plan.layout.v_width * sizeof(float));
}

void finish_group(const Plan& plan, int seq, size_t kv_head, Group& group) {
  const AttentionArgs& args = plan.args;
  switch (args.shape.kind) {
    case KvKind::f32:
      run_kind<KvKind::f32>(plan, seq, kv_head, group);
      break;
    case KvKind::bf16:
      run_kind<KvKind::bf16>(plan, seq, kv_head, group);
      break;
    case KvKind::i8:
      run_kind<KvKind::i8>(plan, seq, kv_head, group);
      break;
  }
  const int width = args.shape.head_dim;
  for (int r = 0; r < group.count; ++r) {
    const float* from = group.out + static_cast<size_t>(r) * plan.layout.v_width;
    float* out = args.out + group.row[r] * args.out_stride + int64_t{group.head[r]} * width;
    const float inverse = 1.0f / group.sum[r];
    for (int d = 0; d < width; d += kLanes) {
      store_first(out + d, vmulq_n_f32(vld1q_f32(from + d), inverse), width - d);
    }
  }
  group.count = 0;
}

void run_task(const Plan& plan, int task, int thread) {
  const AttentionArgs& args = plan.args;
  int low = 0, high = args.num_seqs;  // the sequence whose tasks hold this one
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (plan.first_task[middle] <= task ? low : high) = middle;
  }
  const int seq = low, local = task - plan.first_task[seq];
  const int head_groups = args.heads / plan.heads_per_task;
  const int first_head = local % head_groups * plan.heads_per_task;
  const int first_row = args.query_start[seq] + local / head_groups * plan.rows_per_task;
  const int end_row = smaller(args.query_start[seq + 1], first_row + plan.rows_per_task);

  Group group = {};
  group.q = reinterpret_cast<float*>(plan.thread_scratch +
                                     static_cast<size_t>(thread) * plan.thread_bytes);
  group.out = group.q + plan.layout.width * kGroup;
  const auto kv_head = static_cast<size_t>(first_head / plan.heads_per_kv);
  for (int row = first_row; row < end_row; ++row) {
    for (int head = first_head; head < first_head + plan.heads_per_task; ++head) {
      add_vector(plan, group, seq, row, head);
      if (group.count == kGroup) finish_group(plan, seq, kv_head, group);
    }
  }
  if (group.count > 0) finish_group(plan, seq, kv_head, group);
}

size_t task_table_bytes(const AttentionArgs& args) {
  return round_up((static_cast<size_t>(args.num_seqs) + 1) * sizeof(int), 64);
}

}  // namespace

std::size_t attention_scratch(const ExecView& exec, const AttentionArgs& args) {
  return task_table_bytes(args) +
         group_bytes(KvLayout(args.shape)) * static_cast<size_t>(exec.num_threads);
}

void attention(const ExecView& exec, const AttentionArgs& args) {
  const KvLayout layout(args.shape);
  const int heads_per_kv = args.heads / args.shape.kv_heads;
  Plan plan = {.args = args,
               .layout = layout,
               .heads_per_kv = heads_per_kv,
               .heads_per_task = heads_per_kv,
               .rows_per_task = larger(1, kVectorsPerTask / heads_per_kv),
               .first_task = static_cast<int*>(exec.scratch),
               .thread_scratch = static_cast<uint8_t*>(exec.scratch) + task_table_bytes(args),
               .thread_bytes = group_bytes(layout)};
  int tasks = count_tasks(plan, nullptr);
  if (tasks < 4 * exec.num_threads) plan.heads_per_task = 1;
  tasks = count_tasks(plan, plan.first_task);
  int64_t cost = 0;  // elements of K and V that are read
  for (int s = 0; s < args.num_seqs; ++s) {
    cost += int64_t{rows_of(args, s)} * args.context_len[s] * args.heads * args.shape.head_dim;
  }
  constexpr int64_t kWorthwhile = 16384;
  if (cost < kWorthwhile) {
    for (int task = 0; task < tasks; ++task) run_task(plan, task, 0);
    return;
  }
  parallel_for(exec, tasks, [&](int task, int thread) { run_task(plan, task, thread); });
}

}  // namespace millrace::kernels::neon
