// Attention over paged KV in f32 arithmetic.
//
// Positions are taken in chunks of 256 (absolute, so a row's chunks do not depend on its batch). A
// chunk gives a partial result (maximum, sum, weighted V) by itself; partials are merged in order.
// Thus one long sequence can be spread over threads chunk by chunk and the bits stay the same. Rows
// that share a KV head (its query heads, and neighbouring tokens) are processed four at a time, so
// K and V are read once for them.
#include <math.h>

#include "kernels/avx512/kv.h"
#include "kernels/avx512/ops.h"
#include "kernels/avx512/parallel.h"
#include "kernels/avx512/simd.h"

namespace millrace::kernels {
namespace {

constexpr int kChunk = 256;
constexpr int kRows = 4;

// A row: one token's one query head.
struct Row {
  const float* q;
  float* out;
  int first, last;  // positions it sees
};

// Running or partial result of a row: m, l, then [width] of weighted V.
inline size_t partial_floats(const KvLayout& layout) {
  return 16 + layout.width;
}

struct Chunk {
  const AttentionArgs& args;
  const KvLayout& layout;
  const int32_t* blocks;  // of the sequence
  int kv_head;
  int begin, end;  // positions; begin is a multiple of 16

  const uint8_t* block(int position) const {
    return static_cast<const uint8_t*>(args.layer_kv) +
           static_cast<size_t>(blocks[position / args.shape.block_tokens]) * layout.block_bytes;
  }
  const float* scales(int position, bool of_v) const {
    const auto heads = static_cast<size_t>(args.shape.kv_heads);
    const size_t index = (of_v ? heads : 0) + static_cast<size_t>(kv_head);
    return reinterpret_cast<const float*>(block(position) + layout.scales_offset) +
           index * static_cast<size_t>(args.shape.block_tokens) +
           position % args.shape.block_tokens;
  }
};

// scores[r][16] = q_r · K over 16 tokens whose K begins at `k`.
template <KvKind kind, int rows>
void dot_keys(const uint8_t* k, size_t depth, const float* const* q, int head_dim, __m512* acc) {
  for (int r = 0; r < rows; ++r) acc[r] = _mm512_setzero_ps();
  const auto add = [&](int i, __m512 v) {
    if (i >= head_dim) return;
    for (int r = 0; r < rows; ++r) acc[r] = _mm512_fmadd_ps(_mm512_set1_ps(q[r][i]), v, acc[r]);
  };
  const int count = static_cast<int>(depth);
  if constexpr (kind == KvKind::f32) {
    for (int i = 0; i < head_dim; ++i) add(i, _mm512_loadu_ps(k + 64 * static_cast<size_t>(i)));
  } else if constexpr (kind == KvKind::bf16) {
    for (int i = 0; i < count; i += 2) {
      const __m512i v = _mm512_loadu_si512(k + 32 * static_cast<size_t>(i));
      add(i, _mm512_castsi512_ps(_mm512_slli_epi32(v, 16)));
      add(i + 1, _mm512_castsi512_ps(
                     _mm512_and_si512(v, _mm512_set1_epi32(static_cast<int>(0xffff0000u)))));
    }
  } else {
    for (int i = 0; i < count; i += 4) {
      const __m512i v = _mm512_loadu_si512(k + 16 * static_cast<size_t>(i));
      add(i, _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 24), 24)));
      add(i + 1, _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 16), 24)));
      add(i + 2, _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(v, 8), 24)));
      add(i + 3, _mm512_cvtepi32_ps(_mm512_srai_epi32(v, 24)));
    }
  }
}

inline __m512 soft_capped(__m512 score, float cap) {  // cap·tanh(score / cap)
  const __m512 twice = _mm512_mul_ps(score, _mm512_set1_ps(2.0f / cap));
  const __m512 t = _mm512_fmsub_ps(_mm512_set1_ps(2.0f), sigmoid16(twice), _mm512_set1_ps(1.0f));
  return _mm512_mul_ps(_mm512_set1_ps(cap), t);
}

// Scores of the chunk, -inf where a row does not see the position.
template <KvKind kind, int rows>
void score_chunk(const Chunk& chunk, const Row* row, float (*scores)[kChunk]) {
  const AttentionArgs& args = chunk.args;
  const float* q[rows];
  for (int r = 0; r < rows; ++r) q[r] = row[r].q;
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const size_t group_bytes = 16 * chunk.layout.depth * kv_element_bytes(kind);
  for (int p = chunk.begin; p < chunk.end; p += 16) {
    const int offset = p % args.shape.block_tokens;
    const uint8_t* k = chunk.block(p) +
                       static_cast<size_t>(chunk.kv_head) * chunk.layout.k_head_bytes +
                       static_cast<size_t>(offset / 16) * group_bytes;
    __m512 acc[rows];
    dot_keys<kind, rows>(k, chunk.layout.depth, q, args.shape.head_dim, acc);
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
template <KvKind kind, int rows, int vectors>
void add_values(const Chunk& chunk, const float (*weights)[kChunk], size_t first,
                float* const* to) {
  const AttentionArgs& args = chunk.args;
  const size_t width = chunk.layout.width;
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
  for (int p = chunk.begin; p < chunk.end;) {
    const int offset = p % args.shape.block_tokens;
    const int left = args.shape.block_tokens - offset;
    const int stop = p + left < chunk.end ? p + left : chunk.end;
    const uint8_t* v = chunk.block(p) + chunk.layout.v_offset +
                       static_cast<size_t>(chunk.kv_head) * chunk.layout.v_head_bytes;
    for (auto token = static_cast<size_t>(offset); p < stop; ++p, ++token) {
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

// The chunk's partial result of each row, into partial[r].
template <KvKind kind, int rows>
void chunk_partials(const Chunk& chunk, const Row* row, float* const* partial) {
  alignas(64) float scores[rows][kChunk];
  score_chunk<kind, rows>(chunk, row, scores);
  const int count = chunk.end - chunk.begin;
  float* sums[rows];
  for (int r = 0; r < rows; ++r) {
    const Softmax s = soften(scores[r], round_up(count, 16));
    partial[r][0] = s.max;
    partial[r][1] = s.sum;
    sums[r] = partial[r] + 16;
    if constexpr (kind == KvKind::i8) {
      for (int p = chunk.begin; p < chunk.end; ++p) {
        scores[r][p - chunk.begin] *= *chunk.scales(p, true);
      }
    }
  }
  size_t c = 0;
  for (; c + 64 <= chunk.layout.width; c += 64) add_values<kind, rows, 4>(chunk, scores, c, sums);
  for (; c < chunk.layout.width; c += 16) add_values<kind, rows, 1>(chunk, scores, c, sums);
}

using PartialsFn = void (*)(const Chunk&, const Row*, float* const*);

template <KvKind kind>
PartialsFn partials_fn_of(int rows) {
  switch (rows) {
    case 1:
      return chunk_partials<kind, 1>;
    case 2:
      return chunk_partials<kind, 2>;
    case 3:
      return chunk_partials<kind, 3>;
    default:
      return chunk_partials<kind, 4>;
  }
}
PartialsFn partials_fn(KvKind kind, int rows) {
  return kind == KvKind::f32    ? partials_fn_of<KvKind::f32>(rows)
         : kind == KvKind::bf16 ? partials_fn_of<KvKind::bf16>(rows)
                                : partials_fn_of<KvKind::i8>(rows);
}

void merge(float* running, const float* partial, size_t width) {
  if (partial[0] == -INFINITY) return;
  const float max = running[0] > partial[0] ? running[0] : partial[0];
  const __m512 old_scale = exp16(_mm512_set1_ps(running[0] - max));
  const __m512 new_scale = exp16(_mm512_set1_ps(partial[0] - max));
  running[1] = running[1] * _mm512_cvtss_f32(old_scale) + partial[1] * _mm512_cvtss_f32(new_scale);
  running[0] = max;
  for (size_t i = 16; i < 16 + width; i += 16) {
    const __m512 old_sum = _mm512_mul_ps(_mm512_loadu_ps(running + i), old_scale);
    _mm512_storeu_ps(running + i,
                     _mm512_fmadd_ps(_mm512_loadu_ps(partial + i), new_scale, old_sum));
  }
}

void start(float* running, size_t width) {
  running[0] = -INFINITY;
  running[1] = 0;
  for (size_t i = 16; i < 16 + width; i += 16) _mm512_storeu_ps(running + i, _mm512_setzero_ps());
}

void finish(const float* running, int head_dim, float* out) {
  const __m512 scale = _mm512_set1_ps(1.0f / running[1]);
  for (int i = 0; i < head_dim; i += 16) {
    const __mmask16 mask = tail_mask(head_dim - i);
    _mm512_mask_storeu_ps(out + i, mask, _mm512_mul_ps(_mm512_loadu_ps(running + 16 + i), scale));
  }
}

// ---- work

// Rows of a sequence and KV head are numbered token·group + head in group; a task takes kRows of
// them, over all their chunks or over one.
struct Task {
  int seq, kv_head, first_row, num_rows;
  int chunk;    // -1: all
  int partial;  // index of the first row's place in the partials, for one chunk
};

struct Work {
  int num_tasks = 0, num_partials = 0;
  bool split = false;
};

// A sequence's tasks are split by chunks when there are too few of them to keep all threads busy.
bool should_split(const ExecView& exec, const AttentionArgs& args) {
  const int group = args.heads / args.shape.kv_heads;
  const int rows = (args.query_start[args.num_seqs] - args.query_start[0]) * group;
  return exec.num_threads > 1 &&
         (rows + kRows - 1) / kRows * args.shape.kv_heads < 8 * exec.num_threads;
}

// Calls f(task) for every task. Returns how many there are.
template <class F>
Work for_tasks(const ExecView& exec, const AttentionArgs& args, const F& f) {
  Work work;
  work.split = should_split(exec, args);
  const int group = args.heads / args.shape.kv_heads;
  for (int seq = args.num_seqs - 1; seq >= 0; --seq) {
    const int rows = (args.query_start[seq + 1] - args.query_start[seq]) * group;
    const int chunks = (args.context_len[seq] + kChunk - 1) / kChunk;
    for (int head = 0; head < args.shape.kv_heads; ++head) {
      for (int r = (rows - 1) / kRows * kRows; r >= 0; r -= kRows) {  // the longest first
        if (rows == 0) break;
        Task task = {seq, head, r, rows - r < kRows ? rows - r : kRows, -1, 0};
        for (int c = 0; c < (work.split ? chunks : 1); ++c) {
          if (work.split) task.chunk = c;
          task.partial = work.num_partials;
          if (work.split) work.num_partials += task.num_rows;
          f(work.num_tasks, task);
          ++work.num_tasks;
        }
      }
    }
  }
  return work;
}

struct Engine {
  const AttentionArgs& args;
  KvLayout layout;
  const Task* tasks;
  float* partials;

  void rows_of(const Task& task, Row* rows) const {
    const int group = args.heads / args.shape.kv_heads;
    const int first_position =
        args.context_len[task.seq] - (args.query_start[task.seq + 1] - args.query_start[task.seq]);
    for (int i = 0; i < task.num_rows; ++i) {
      const int row = task.first_row + i;
      const int64_t token = args.query_start[task.seq] + row / group;
      const int64_t at =
          static_cast<int64_t>(task.kv_head * group + row % group) * args.shape.head_dim;
      const int last = first_position + row / group;
      rows[i] = {.q = args.q + token * args.q_stride + at,
                 .out = args.out + token * args.out_stride + at,
                 .first = args.window > 0 && last >= args.window ? last - args.window + 1 : 0,
                 .last = last};
    }
  }

  // False when no row sees anything of the chunk.
  bool run_chunk(const Task& task, const Row* rows, int index, float* const* to) const {
    const int begin = index * kChunk;
    const int last = rows[task.num_rows - 1].last;
    const int first = rows[0].first / 16 * 16;
    const int end = begin + kChunk < last + 1 ? begin + kChunk : last + 1;
    if (end <= begin || begin + kChunk <= first) return false;
    const Chunk chunk = {
        .args = args,
        .layout = layout,
        .blocks = args.block_table + static_cast<ptrdiff_t>(task.seq) * args.block_table_stride,
        .kv_head = task.kv_head,
        .begin = begin > first ? begin : first,
        .end = end};
    partials_fn(args.shape.kind, task.num_rows)(chunk, rows, to);
    return true;
  }

  void run_whole(const Task& task, float* own) const {
    Row rows[kRows];
    rows_of(task, rows);
    const size_t stride = partial_floats(layout);
    float* to[kRows];
    for (int i = 0; i < task.num_rows; ++i) {
      to[i] = own + static_cast<size_t>(i) * stride;
      start(to[i] + kRows * stride, layout.width);
    }
    for (int c = rows[0].first / kChunk; c <= rows[task.num_rows - 1].last / kChunk; ++c) {
      if (!run_chunk(task, rows, c, to)) continue;
      for (int i = 0; i < task.num_rows; ++i) merge(to[i] + kRows * stride, to[i], layout.width);
    }
    for (int i = 0; i < task.num_rows; ++i) {
      finish(to[i] + kRows * stride, args.shape.head_dim, rows[i].out);
    }
  }

  void run_split(const Task& task) const {
    Row rows[kRows];
    rows_of(task, rows);
    const size_t stride = partial_floats(layout);
    float* to[kRows];
    for (int i = 0; i < task.num_rows; ++i) {
      to[i] = partials + static_cast<size_t>(task.partial + i) * stride;
    }
    if (run_chunk(task, rows, task.chunk, to)) return;
    for (int i = 0; i < task.num_rows; ++i) to[i][0] = -INFINITY;
  }

  // The chunks of one group of rows lie behind each other, from task `first` on.
  int merge_split(int first, int num_tasks, float* own) const {
    const Task& task = tasks[first];
    Row rows[kRows];
    rows_of(task, rows);
    const size_t stride = partial_floats(layout);
    for (int i = 0; i < task.num_rows; ++i) {
      start(own, layout.width);
      for (int t = first; t < num_tasks && (t == first || tasks[t].chunk != 0); ++t) {
        merge(own, partials + static_cast<size_t>(tasks[t].partial + i) * stride, layout.width);
      }
      finish(own, args.shape.head_dim, rows[i].out);
    }
    int next = first + 1;
    while (next < num_tasks && tasks[next].chunk != 0) ++next;
    return next;
  }
};

size_t thread_floats(const KvLayout& layout) {
  return 2 * kRows * partial_floats(layout);
}

}  // namespace

namespace avx512 {

size_t attention_scratch(const ExecView& exec, const AttentionArgs& args) {
  const KvLayout layout = kv_layout(args.shape);
  const Work work = for_tasks(exec, args, [](int, const Task&) {});
  return round_up(static_cast<size_t>(work.num_tasks) * sizeof(Task), size_t{64}) +
         4 * (static_cast<size_t>(work.num_partials) * partial_floats(layout) +
              static_cast<size_t>(exec.num_threads) * thread_floats(layout));
}

void attention(const ExecView& exec, const AttentionArgs& args) {
  auto* tasks = static_cast<Task*>(exec.scratch);
  const Work work = for_tasks(exec, args, [&](int i, const Task& task) { tasks[i] = task; });
  auto* floats = reinterpret_cast<float*>(
      static_cast<uint8_t*>(exec.scratch) +
      round_up(static_cast<size_t>(work.num_tasks) * sizeof(Task), size_t{64}));
  const KvLayout layout = kv_layout(args.shape);
  const size_t each = thread_floats(layout);
  float* const partials = floats + static_cast<size_t>(exec.num_threads) * each;
  const Engine engine = {.args = args, .layout = layout, .tasks = tasks, .partials = partials};
  parallel_for(exec, work.num_tasks, [&](int i, int thread) {
    if (work.split) {
      engine.run_split(tasks[i]);
    } else {
      engine.run_whole(tasks[i], floats + static_cast<size_t>(thread) * each);
    }
  });
  if (!work.split) return;
  for (int i = 0; i < work.num_tasks;) i = engine.merge_split(i, work.num_tasks, floats);
}

}  // namespace avx512
}  // namespace millrace::kernels
