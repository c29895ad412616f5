// Flash attention over paged KV. A task takes some query rows of one sequence and one KV head; up
// to four query vectors (rows × the heads that share this KV head) read each 16 tokens of K and V
// together. The softmax runs online, 16 tokens at a time from the start of a block, so a vector's
// result does not depend on what it is grouped with.
#include "kernels/avx2/kv_layout.h"
#include "kernels/avx2/table.h"

namespace millrace::kernels::avx2 {
namespace {

constexpr int kStep = 16;            // tokens at a time
constexpr int kGroup = 4;            // query vectors at a time
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

// What a group of query vectors carries along the context.
struct Group {
  int count;
  int row[kGroup], head[kGroup];
  int first[kGroup], last[kGroup];  // positions that each sees
  float max[kGroup], sum[kGroup];
  float* q;    // [head_dim][kGroup], scaled
  float* out;  // [kGroup][v_width]
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

template <KvKind kKind>
MILLRACE_INLINE __m256 load_kv(const uint8_t* from) {
  if constexpr (kKind == KvKind::f32) return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
  if constexpr (kKind == KvKind::bf16) return load_bf16(from);
  return load_i8(from);
}

// score[r][0..15] of the 16 tokens whose K begins at `k` (its dimension 0).
template <KvKind kKind, int R>
MILLRACE_INLINE void score_tokens(const KvLayout& layout, const uint8_t* k, const Group& group,
                                  __m256 (&score)[R][2]) {
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) score[r][0] = score[r][1] = _mm256_setzero_ps();
  const size_t row = layout.tokens * layout.element;
  const float* q = group.q;
  for (size_t d = 0; d < layout.width; ++d, k += row, q += kGroup) {
    const __m256 k0 = load_kv<kKind>(k), k1 = load_kv<kKind>(k + 8 * layout.element);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256 x = _mm256_broadcast_ss(q + r);
      score[r][0] = _mm256_fmadd_ps(x, k0, score[r][0]);
      score[r][1] = _mm256_fmadd_ps(x, k1, score[r][1]);
    }
  }
}

MILLRACE_INLINE __m256 cap(__m256 score, float soft_cap) {
  if (soft_cap <= 0) return score;
  return _mm256_mul_ps(_mm256_set1_ps(soft_cap),
                       tanh_ps(_mm256_div_ps(score, _mm256_set1_ps(soft_cap))));
}

// Lanes whose position (from `position` on) lies in [first, last].
MILLRACE_INLINE __m256 in_range(int position, int first, int last) {
  const __m256i at =
      _mm256_add_epi32(_mm256_set1_epi32(position), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const __m256i before = _mm256_cmpgt_epi32(_mm256_set1_epi32(first), at);
  const __m256i after = _mm256_cmpgt_epi32(at, _mm256_set1_epi32(last));
  return _mm256_castsi256_ps(
      _mm256_xor_si256(_mm256_or_si256(before, after), _mm256_set1_epi32(-1)));
}

MILLRACE_INLINE void scale_out(float* out, size_t width, float factor) {
  const __m256 f = _mm256_set1_ps(factor);
  for (size_t d = 0; d < width; d += 8) {
    _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_loadu_ps(out + d), f));
  }
}

// Turns 16 scores into weights for V and updates the running maximum and sum. False: none is seen.
template <KvKind kKind>
MILLRACE_INLINE bool softmax_step(const Plan& plan, Group& group, int r, int position,
                                  const float* k_scale, const float* v_scale, __m256 s0, __m256 s1,
                                  float* weights) {
  if (position > group.last[r] || position + kStep <= group.first[r]) {
    memset(weights, 0, kStep * sizeof(float));
    return false;
  }
  const __m256 nothing = _mm256_set1_ps(-kInfinity);
  const __m256 seen0 = in_range(position, group.first[r], group.last[r]);
  const __m256 seen1 = in_range(position + 8, group.first[r], group.last[r]);
  if constexpr (kKind == KvKind::i8) {
    s0 = _mm256_mul_ps(s0, _mm256_loadu_ps(k_scale));
    s1 = _mm256_mul_ps(s1, _mm256_loadu_ps(k_scale + 8));
  }
  s0 = _mm256_blendv_ps(nothing, cap(s0, plan.args.soft_cap), seen0);
  s1 = _mm256_blendv_ps(nothing, cap(s1, plan.args.soft_cap), seen1);
  const float top = max_lanes(_mm256_max_ps(s0, s1));
  if (top > group.max[r]) {
    const float factor = _mm256_cvtss_f32(exp_ps(_mm256_set1_ps(group.max[r] - top)));
    scale_out(group.out + static_cast<size_t>(r) * plan.layout.v_width, plan.layout.v_width,
              factor);
    group.sum[r] *= factor;
    group.max[r] = top;
  }
  const __m256 max = _mm256_set1_ps(group.max[r]);
  __m256 w0 = _mm256_and_ps(seen0, exp_ps(_mm256_sub_ps(s0, max)));
  __m256 w1 = _mm256_and_ps(seen1, exp_ps(_mm256_sub_ps(s1, max)));
  group.sum[r] += sum_lanes(_mm256_add_ps(w0, w1));
  if constexpr (kKind == KvKind::i8) {
    w0 = _mm256_mul_ps(w0, _mm256_loadu_ps(v_scale));
    w1 = _mm256_mul_ps(w1, _mm256_loadu_ps(v_scale + 8));
  }
  _mm256_storeu_ps(weights, w0);
  _mm256_storeu_ps(weights + 8, w1);
  return true;
}

// out[r] += weights[r] · V over `tokens` tokens; what lies behind them in the block is never read.
template <KvKind kKind, int R>
MILLRACE_INLINE void add_values(const KvLayout& layout, const uint8_t* v, int tokens,
                                const float (*weights)[kStep], float* out) {
  const size_t row = layout.v_width * layout.element;
  for (size_t d = 0; d < layout.v_width; d += 8) {
    __m256 sum[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      sum[r] = _mm256_loadu_ps(out + static_cast<size_t>(r) * layout.v_width + d);
    }
    const uint8_t* from = v + d * layout.element;
    for (int t = 0; t < tokens; ++t, from += row) {
      const __m256 value = load_kv<kKind>(from);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        sum[r] = _mm256_fmadd_ps(_mm256_broadcast_ss(&weights[r][t]), value, sum[r]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      _mm256_storeu_ps(out + static_cast<size_t>(r) * layout.v_width + d, sum[r]);
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
  __m256 score[R][2];
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
      any |= softmax_step<kKind>(plan, group, r, position, k_scale, v_scale, score[r][0],
                                 score[r][1], weights[r]);
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
    const __m256 inverse = _mm256_set1_ps(1.0f / group.sum[r]);
    for (int d = 0; d < width; d += 8) {
      store_first(out + d, _mm256_mul_ps(_mm256_loadu_ps(from + d), inverse), width - d);
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

}  // namespace millrace::kernels::avx2
