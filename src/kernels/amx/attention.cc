// Prompts over bf16 KV with tiles: scores and sums are f32; q and the softmax weights are rounded
// to bf16.
//
// A task is 32 rows (a row is one token's one query head; rows of one KV head lie together). For
// 128 positions at a time:
//
//   S [2][8] C tiles    q (A tiles) · K, whose 16-token groups are B tiles where they lie
//   P [4][2] A tiles    2^(S - the row's running maximum), masked, in bf16
//   V [4][width/16]     copied: a B tile wants 32 tokens and blocks may have 16; what lies behind
//                       the context becomes zero, for stale memory may hold NaN
//   O [2][width/16]     scaled where a maximum grew, then += P·V
#include "kernels/amx/attention.h"

#include <math.h>

#include "kernels/amx/exp2.h"
#include "kernels/amx/tile.h"
#include "kernels/avx512/chunk.h"
#include "kernels/avx512/ops.h"
#include "kernels/avx512/simd.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

constexpr int kRows = 32, kSpan = 128;
constexpr int kGroups = kSpan / 16, kSteps = kSpan / 32;
constexpr size_t kTile = 1024;
constexpr int kFewestTokens = 8;  // new ones of a sequence, for tiles to pay

struct Task {
  int seq, kv_head, first_row, num_rows;
};

// One thread's memory. Tiles of 16 rows of 64 bytes.
struct Own {
  uint8_t* q;     // [dim/32][2] A
  uint8_t* s;     // [2][kGroups] C
  uint8_t* p;     // [kSteps][2] A
  uint8_t* v;     // [kSteps][width/16] B
  uint8_t* o;     // [2][width/16] C
  float* sums;    // [kRows][16]: lanes of the sum of weights
  float* maxima;  // [kRows], of scores times log2 e
  int* first;     // [kRows], [kRows]: the positions that a row sees
  int* last;
};

size_t own_bytes(const KvLayout& layout) {
  const size_t columns = layout.width / 16;
  return kTile * (layout.width / 16 + 2 * kGroups + 2 * kSteps + kSteps * columns + 2 * columns) +
         kRows * 64 + kRows * 12;
}

Own own_at(uint8_t* at, const KvLayout& layout) {
  const size_t columns = layout.width / 16;
  Own own;
  own.q = at;
  own.s = own.q + kTile * columns;
  own.p = own.s + kTile * 2 * kGroups;
  own.v = own.p + kTile * 2 * kSteps;
  own.o = own.v + kTile * kSteps * columns;
  own.sums = reinterpret_cast<float*>(own.o + kTile * 2 * columns);
  own.maxima = own.sums + 16 * kRows;
  own.first = reinterpret_cast<int*>(own.maxima + kRows);
  own.last = own.first + kRows;
  return own;
}

class Prompt {
 public:
  Prompt(const AttentionArgs& args, const KvLayout& layout, const Task& task, const Own& own)
      : args_(args),
        layout_(layout),
        task_(task),
        own_(own),
        group_(args.heads / args.shape.kv_heads),
        first_position_(args.context_len[task.seq] -
                        (args.query_start[task.seq + 1] - args.query_start[task.seq])),
        columns_(static_cast<int>(layout.width) / 16),
        depth_steps_(args.shape.head_dim / 32),
        kv_{.args = args,
            .layout = layout,
            .blocks = args.block_table + static_cast<ptrdiff_t>(task.seq) * args.block_table_stride,
            .kv_head = task.kv_head,
            .begin = 0,
            .end = args.context_len[task.seq]} {}

  // Asks for the rows of q: another core may have made them.
  void fetch_rows() const {
    for (int r = 0; r < task_.num_rows; ++r) {
      const auto* q =
          reinterpret_cast<const char*>(args_.q + token_of(r) * args_.q_stride + head_at(r));
      for (int i = 0; i < 4 * args_.shape.head_dim; i += 64) _mm_prefetch(q + i, _MM_HINT_T0);
    }
  }

  // q as tiles; nothing is seen yet.
  void start() {
    const __m512i zero = _mm512_setzero_si512();
    for (int r = 0; r < kRows; ++r) {
      const bool present = r < task_.num_rows;
      const float* q = present ? args_.q + token_of(r) * args_.q_stride + head_at(r) : nullptr;
      for (int i = 0; i < depth_steps_; ++i) {
        __m512i pair = zero;
        if (present) {
          pair = reinterpret_cast<__m512i>(
              _mm512_cvtne2ps_pbh(_mm512_loadu_ps(q + 32 * i + 16), _mm512_loadu_ps(q + 32 * i)));
        }
        _mm512_store_si512(own_.q + static_cast<size_t>(2 * i + r / 16) * kTile + 64 * (r % 16),
                           pair);
      }
      for (int c = 0; c < columns_; ++c) _mm512_store_si512(o_row(r, c), zero);
      for (int i = 0; !present && i < kSteps; ++i) _mm512_store_si512(p_row(r, i), zero);
      _mm512_store_ps(own_.sums + 16 * r, _mm512_setzero_ps());
      own_.maxima[r] = -INFINITY;
      const int last = first_position_ + (task_.first_row + r) / group_;
      own_.last[r] = last;
      own_.first[r] = args_.window > 0 && last >= args_.window ? last - args_.window + 1 : 0;
    }
  }

  void run() {
    const int last = own_.last[task_.num_rows - 1];
    int begin = own_.first[0] / 32 * 32;
    const auto end_of = [&](int from) { return from + kSpan < last + 1 ? from + kSpan : last + 1; };
    score(begin, (end_of(begin) - begin + 31) / 32, end_of(begin));
    while (begin <= last) {
      const int end = end_of(begin), steps = (end - begin + 31) / 32;
      copy_values(begin, steps, end);
      for (int r = 0; r < task_.num_rows; ++r) soften_row(r, begin, steps);
      // The next scores before these values: tile loads wait for the stores of P to be done.
      if (end <= last) score(end, (end_of(end) - end + 31) / 32, end_of(end));
      add_values(steps);
      begin = end;
    }
    finish();
  }

 private:
  // Of row r of the task: its token in the batch, its element in a token's heads, what it sees.
  int64_t token_of(int r) const {
    return args_.query_start[task_.seq] + (task_.first_row + r) / group_;
  }
  int64_t head_at(int r) const {
    const int head = task_.kv_head * group_ + (task_.first_row + r) % group_;
    return static_cast<int64_t>(head) * args_.shape.head_dim;
  }
  uint8_t* o_row(int r, int column) const {
    return own_.o + static_cast<size_t>(r / 16 * columns_ + column) * kTile + 64 * (r % 16);
  }

  uint8_t* p_row(int r, int step) const {
    return own_.p + static_cast<size_t>(2 * step + r / 16) * kTile + 64 * (r % 16);
  }
  void score(int begin, int steps, int end) const {
    for (int step = 0; step < steps; ++step) {
      const int position = begin + 32 * step;
      const uint8_t* k0 = kv_.keys(position);
      const uint8_t* k1 = position + 16 < end ? kv_.keys(position + 16) : k0;  // masked later
      fetch_values(position, end);
      const uint8_t* q = own_.q;
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (int i = 0; i < depth_steps_; ++i) {
        _tile_loadd(4, q, 64);
        _tile_loadd(6, k0, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, k1, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, q + kTile, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        q += 2 * kTile;
        k0 += kTile;
        k1 += kTile;
      }
      uint8_t* s = own_.s + static_cast<size_t>(2 * step) * kTile;
      _tile_stored(0, s, 64);
      _tile_stored(1, s + kTile, 64);
      _tile_stored(2, s + kGroups * kTile, 64);
      _tile_stored(3, s + (kGroups + 1) * kTile, 64);
    }
  }

  // Asks for V of the 32 positions that are scored now.
  void fetch_values(int position, int end) const {
    for (int p = position; p < position + 32 && p < end; p += 16) {
      const uint8_t* v = kv_.values(p);
      for (size_t i = 0; i < 32 * layout_.width; i += 64) _mm_prefetch(v + i, _MM_HINT_T0);
    }
  }

  void soften_row(int r, int begin, int steps) const {
    const int first = own_.first[r] - begin, last = own_.last[r] - begin;
    if (first <= 0 && last >= kSpan - 1) {
      soften<false, kSteps>(r, first, last);
    } else if (steps == kSteps) {
      soften<true, kSteps>(r, first, last);
    } else if (steps == 3) {
      soften<true, 3>(r, first, last);
    } else if (steps == 2) {
      soften<true, 2>(r, first, last);
    } else {
      soften<true, 1>(r, first, last);
    }
  }

  // first and last are counted from the span's begin.
  template <bool masked, int steps>
  void soften(int r, int first, int last) const {
    const uint8_t* from = own_.s + static_cast<size_t>(r / 16 * kGroups) * kTile + 64 * (r % 16);
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512 nothing = _mm512_set1_ps(-INFINITY);
    const bool has_cap = args_.soft_cap > 0;
    const float unit = kLog2e * (has_cap ? 1.0f : args_.scale);  // to powers of two
    __m512 s[2 * steps], largest = nothing;
#pragma GCC unroll 8
    for (int g = 0; g < 2 * steps; ++g) {
      s[g] = _mm512_load_ps(from + static_cast<size_t>(g) * kTile);
      if (has_cap) {
        s[g] = soft_capped(_mm512_mul_ps(s[g], _mm512_set1_ps(args_.scale)), args_.soft_cap);
      }
      if constexpr (masked) {
        const __m512i at = _mm512_add_epi32(lanes, _mm512_set1_epi32(16 * g));
        const __mmask16 seen = _mm512_cmple_epi32_mask(at, _mm512_set1_epi32(last)) &
                               _mm512_cmpge_epi32_mask(at, _mm512_set1_epi32(first));
        s[g] = _mm512_mask_mov_ps(nothing, seen, s[g]);
      }
      largest = _mm512_max_ps(largest, s[g]);
    }
    const float old_max = own_.maxima[r];
    float max = _mm512_reduce_max_ps(largest) * unit;
    max = max > old_max ? max : old_max;
    if (max == -INFINITY) {  // it sees none of these
      for (int i = 0; i < steps; ++i) _mm512_store_si512(p_row(r, i), _mm512_setzero_si512());
      return;
    }
    const __m512 units = _mm512_set1_ps(unit), subtract = _mm512_set1_ps(max);
    __m512 sum = _mm512_load_ps(own_.sums + 16 * r);
    if (max > old_max) {
      own_.maxima[r] = max;
      const __m512 shrink = exp2_16(_mm512_set1_ps(old_max - max));
      sum = _mm512_mul_ps(sum, shrink);
      for (int c = 0; c < columns_; ++c) {
        _mm512_store_ps(o_row(r, c), _mm512_mul_ps(_mm512_load_ps(o_row(r, c)), shrink));
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < steps; ++i) {
      const __m512 a = exp2_16(_mm512_fmsub_ps(s[2 * i], units, subtract));
      const __m512 b = exp2_16(_mm512_fmsub_ps(s[2 * i + 1], units, subtract));
      sum = _mm512_add_ps(sum, _mm512_add_ps(a, b));
      _mm512_store_si512(p_row(r, i), reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a)));
    }
    _mm512_store_ps(own_.sums + 16 * r, sum);
  }

  void copy_values(int begin, int steps, int end) const {
    const size_t row_bytes = 4 * layout_.width;  // of two tokens
    for (int g = 0; g < 2 * steps; ++g) {
      const int position = begin + 16 * g, left = end - position;
      uint8_t* to = own_.v + static_cast<size_t>(g / 2 * columns_) * kTile + 512 * (g % 2);
      const uint8_t* from = left > 0 ? kv_.values(position) : nullptr;
      for (int pair = 0; pair < 8; ++pair, to += 64) {
        const int there = left - 2 * pair;  // of the pair's tokens
        const __m512i keep = _mm512_set1_epi32(there >= 2 ? -1 : 0xffff);
        for (int c = 0; c < columns_; ++c) {
          const __m512i v =
              there > 0
                  ? _mm512_and_si512(
                        _mm512_loadu_si512(from + static_cast<size_t>(pair) * row_bytes + 64 * c),
                        keep)
                  : _mm512_setzero_si512();
          _mm512_store_si512(to + static_cast<size_t>(c) * kTile, v);
        }
      }
    }
  }

  void add_values(int steps) const {
    const size_t below = static_cast<size_t>(columns_) * kTile;  // the lower 16 rows of O
    for (int c = 0; c < columns_; c += 2) {
      uint8_t* o = own_.o + static_cast<size_t>(c) * kTile;
      const uint8_t* v = own_.v + static_cast<size_t>(c) * kTile;
      const uint8_t* p = own_.p;
      _tile_loadd(0, o, 64);
      _tile_loadd(1, o + kTile, 64);
      _tile_loadd(2, o + below, 64);
      _tile_loadd(3, o + below + kTile, 64);
      for (int i = 0; i < steps; ++i) {
        _tile_loadd(4, p, 64);
        _tile_loadd(6, v, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, v + kTile, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, p + kTile, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
        p += 2 * kTile;
        v += below;
      }
      _tile_stored(0, o, 64);
      _tile_stored(1, o + kTile, 64);
      _tile_stored(2, o + below, 64);
      _tile_stored(3, o + below + kTile, 64);
    }
  }

  void finish() const {
    for (int r = 0; r < task_.num_rows; ++r) {
      const float sum = _mm512_reduce_add_ps(_mm512_load_ps(own_.sums + 16 * r));
      const __m512 scale = _mm512_set1_ps(1.0f / sum);
      float* out = args_.out + token_of(r) * args_.out_stride + head_at(r);
      for (int c = 0; c < columns_; ++c) {
        _mm512_storeu_ps(out + 16 * c, _mm512_mul_ps(_mm512_load_ps(o_row(r, c)), scale));
      }
    }
  }

  const AttentionArgs& args_;
  const KvLayout& layout_;
  const Task& task_;
  const Own& own_;
  const int group_, first_position_, columns_, depth_steps_;
  const Chunk kv_;  // all positions
};

// ---- work

int new_tokens(const AttentionArgs& args, int seq) {
  return args.query_start[seq + 1] - args.query_start[seq];
}

bool tiles_can(const ExecView& exec, const AttentionArgs& args) {
  return exec.precision != Precision::exact && args.shape.kind == KvKind::bf16 &&
         args.shape.head_dim % 32 == 0;
}

enum class Way { base, few, prompt };

Way way_of(const ExecView& exec, const AttentionArgs& args, int seq) {
  if (!tiles_can(exec, args)) return Way::base;
  return new_tokens(args, seq) >= kFewestTokens ? Way::prompt : Way::few;
}

// Calls f(task) for every task, in the order of rows: a thread then has q that it made itself, most
// likely. Returns how many there are.
template <class F>
int for_tasks(const AttentionArgs& args, const F& f) {
  const int group = args.heads / args.shape.kv_heads;
  int count = 0;
  for (int seq = 0; seq < args.num_seqs; ++seq) {
    const int rows = new_tokens(args, seq) * group;
    for (int r = 0; r < rows; r += kRows) {
      for (int head = 0; head < args.shape.kv_heads; ++head) {
        f(count++, Task{seq, head, r, rows - r < kRows ? rows - r : kRows});
      }
    }
  }
  return count;
}

size_t task_bytes(int num_tasks) {
  return round_up(static_cast<size_t>(num_tasks) * sizeof(Task), size_t{64});
}
size_t thread_bytes(const KvLayout& layout) {
  return round_up(own_bytes(layout), size_t{64});
}

size_t tiles_scratch(const ExecView& exec, const AttentionArgs& args) {
  return task_bytes(for_tasks(args, [](int, const Task&) {})) +
         static_cast<size_t>(exec.num_threads) * thread_bytes(kv_layout(args.shape));
}

void tiles_attention(const ExecView& exec, const AttentionArgs& args) {
  auto* tasks = static_cast<Task*>(exec.scratch);
  const int count = for_tasks(args, [&](int i, const Task& task) { tasks[i] = task; });
  const KvLayout layout = kv_layout(args.shape);
  uint8_t* const memory = static_cast<uint8_t*>(exec.scratch) + task_bytes(count);
  parallel_near(exec, count, [&](int i, int thread) {
    const Own own = own_at(memory + static_cast<size_t>(thread) * thread_bytes(layout), layout);
    use_full_tiles();
    const int then = i + 1;  // most likely
    Prompt prompt(args, layout, tasks[i], own);
    prompt.start();
    if (then < count) Prompt(args, layout, tasks[then], own).fetch_rows();
    prompt.run();
    _tile_release();
  });
}

// Runs of neighbouring sequences that go one way: f(args of the run, way).
template <class F>
void for_runs(const ExecView& exec, const AttentionArgs& args, const F& f) {
  for (int begin = 0; begin < args.num_seqs;) {
    const Way way = way_of(exec, args, begin);
    int end = begin + 1;
    while (end < args.num_seqs && way_of(exec, args, end) == way) ++end;
    AttentionArgs run = args;
    run.num_seqs = end - begin;
    run.query_start += begin;
    run.context_len += begin;
    run.block_table += static_cast<ptrdiff_t>(begin) * args.block_table_stride;
    f(run, way);
    begin = end;
  }
}

}  // namespace

namespace amx {

size_t attention_scratch(const ExecView& exec, const AttentionArgs& args) {
  size_t most = 0;
  for_runs(exec, args, [&](const AttentionArgs& run, Way way) {
    const size_t bytes = way == Way::prompt ? tiles_scratch(exec, run)
                         : way == Way::few  ? few_attention_scratch(exec, run)
                                            : avx512::attention_scratch(exec, run);
    most = bytes > most ? bytes : most;
  });
  return most;
}

void attention(const ExecView& exec, const AttentionArgs& args) {
  for_runs(exec, args, [&](const AttentionArgs& run, Way way) {
    switch (way) {
      case Way::prompt:
        return tiles_attention(exec, run);
      case Way::few:
        return few_attention(exec, run);
      default:
        return avx512::attention(exec, run);
    }
  });
}

}  // namespace amx
}  // namespace millrace::kernels
