// Runs a plan (attention_plan.h): partials of chunks, merged in order, then divided by their sums.
// The table brings the arithmetic of a chunk as a Machine:
//
//   static constexpr int kRows             rows a task, at most
//   size_t width() const                   floats of weighted V in a partial: head_dim, padded
//   size_t own_bytes() const               memory of a thread for itself
//   void chunk(const Span&, const Span& next, const Row* rows, int num_rows, float* partials,
//              void* own) const            kHead + width() apart: maximum and sum of e^(score -
//                                          maximum), then at kHead V weighted so; a row that sees
//                                          none of the span has zeros there. `next` is likely to
//                                          be wanted by this thread after it, and may be empty
//   static float exp(float)
#pragma once

#include <string.h>

#include "kernels/attention_plan.h"
#include "kernels/parallel.h"

namespace millrace::kernels::chunked {
namespace {

constexpr size_t kHead = 16;  // floats before the weighted V of a partial: maximum, sum, unused

struct Row {
  const float* q;
  float* out;
  int first, last;  // positions that it sees
};

// Positions [begin, end) of one chunk; begin is a multiple of 16. Some row sees the last of them.
struct Span {
  const int32_t* blocks;  // of the sequence
  int kv_head;
  int begin, end;
};

// Adds a later chunk's partial. Not inlined: every caller's bits are the same.
template <class Machine>
__attribute__((noinline)) void merge(float* sum, const float* partial, size_t floats) {
  if (partial[1] == 0) return;  // it sees nothing there; a NaN is not zero
  if (sum[1] == 0) {
    memcpy(sum, partial, floats * sizeof(float));
    return;
  }
  const float max = sum[0] > partial[0] ? sum[0] : partial[0];
  const float before = Machine::exp(sum[0] - max), after = Machine::exp(partial[0] - max);
  sum[0] = max;
  sum[1] = sum[1] * before + partial[1] * after;
  for (size_t i = kHead; i < floats; ++i) sum[i] = sum[i] * before + partial[i] * after;
}

inline void write_out(const float* sum, int head_dim, float* out) {
  const float inverse = 1.0f / sum[1];
  for (int i = 0; i < head_dim; ++i) out[i] = sum[kHead + static_cast<size_t>(i)] * inverse;
}

template <class Machine>
class Attention {
 public:
  Attention(const ExecView& exec, const AttentionArgs& args, const Machine& machine)
      : exec_(exec),
        args_(args),
        machine_(machine),
        stride_(kHead + machine.width()),
        counts_(plan([](int, const Task&) {}, [](int, const Merge&) {})),
        merges_at_(aligned(static_cast<size_t>(counts_.tasks) * sizeof(Task))),
        own_at_(merges_at_ + aligned(static_cast<size_t>(counts_.merges) * sizeof(Merge))),
        thread_bytes_(aligned(2 * Machine::kRows * stride_ * sizeof(float) + machine.own_bytes())),
        partials_at_(own_at_ + static_cast<size_t>(exec.num_threads) * thread_bytes_) {}

  size_t scratch_bytes() const {
    return partials_at_ + static_cast<size_t>(counts_.partials) * stride_ * sizeof(float);
  }

  void run() const {
    auto* tasks = static_cast<Task*>(exec_.scratch);
    auto* merges = reinterpret_cast<Merge*>(memory(merges_at_));
    plan([=](int i, const Task& task) { tasks[i] = task; },
         [=](int i, const Merge& merge) { merges[i] = merge; });
    each(counts_.tasks, counts_.cost, [&](int i, int thread) {
      const int then = i + exec_.num_threads;  // most likely
      run_task(tasks[i], then < counts_.tasks ? first_span_of(tasks[then]) : Span{},
               memory(own_at_ + static_cast<size_t>(thread) * thread_bytes_));
    });
    each(counts_.merges, static_cast<int64_t>(counts_.partials) * static_cast<int64_t>(stride_),
         [&](int i, int) { run_merge(merges[i]); });
  }

 private:
  static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }
  uint8_t* memory(size_t at) const { return static_cast<uint8_t*>(exec_.scratch) + at; }
  float* partial(ptrdiff_t index) const {
    return reinterpret_cast<float*>(memory(partials_at_)) + index * static_cast<ptrdiff_t>(stride_);
  }

  template <class OnTask, class OnMerge>
  Counts plan(const OnTask& on_task, const OnMerge& on_merge) const {
    return make_plan(exec_.num_threads, args_, Machine::kRows, on_task, on_merge);
  }

  // task(index, thread), on the caller where that is over sooner.
  template <class F>
  void each(int count, int64_t cost, const F& task) const {
    constexpr int64_t kWorthwhile = 16384;
    if (cost >= kWorthwhile) return parallel_for(exec_, count, task);
    for (int i = 0; i < count; ++i) task(i, 0);
  }

  Row row_of(int seq, int kv_head, int row) const {
    const int group = group_of(args_);
    const int64_t token = args_.query_start[seq] + row / group;
    const int64_t at = int64_t{kv_head * group + row % group} * args_.shape.head_dim;
    return {.q = args_.q + token * args_.q_stride + at,
            .out = args_.out + token * args_.out_stride + at,
            .first = first_seen(args_, seq, row),
            .last = last_seen(args_, seq, row)};
  }

  void run_task(const Task& task, const Span& then, uint8_t* thread_memory) const {
    Row rows[Machine::kRows];
    for (int i = 0; i < task.num_rows; ++i) {
      rows[i] = row_of(task.seq, task.kv_head, task.first_row + i);
    }
    auto* const sums = reinterpret_cast<float*>(thread_memory);
    float* const later = sums + Machine::kRows * stride_;
    float* const own = later + Machine::kRows * stride_;
    const bool whole = task.partial < 0;
    const int seq_rows = tokens_of(args_, task.seq) * group_of(args_);
    for (int chunk = task.first_chunk; chunk < task.end_chunk; ++chunk) {
      const int done = chunk - task.first_chunk;
      float* const to = !whole      ? partial(task.partial + ptrdiff_t{done} * seq_rows)
                        : done == 0 ? sums
                                    : later;
      const int seen = rows[task.num_rows - 1].last + 1;
      const Span next = chunk + 1 < task.end_chunk ? span_of(task, chunk + 1, 0, seen) : then;
      machine_.chunk(span_of(task, chunk, rows[0].first, seen), next, rows, task.num_rows, to, own);
      for (int i = 0; to == later && i < task.num_rows; ++i) {
        const size_t at = static_cast<size_t>(i) * stride_;
        merge<Machine>(sums + at, later + at, stride_);
      }
    }
    for (int i = 0; whole && i < task.num_rows; ++i) {
      write_out(sums + static_cast<size_t>(i) * stride_, args_.shape.head_dim, rows[i].out);
    }
  }

  // The part of a chunk that rows see which see positions [first, end).
  Span span_of(const Task& task, int chunk, int first, int end) const {
    const int begin = chunk * kChunk;
    return {.blocks = args_.block_table + int64_t{task.seq} * args_.block_table_stride,
            .kv_head = task.kv_head,
            .begin = larger(begin, first / 16 * 16),
            .end = smaller(begin + kChunk, end)};
  }
  Span first_span_of(const Task& task) const {
    return span_of(task, task.first_chunk, first_seen(args_, task.seq, task.first_row),
                   last_seen(args_, task.seq, task.first_row + task.num_rows - 1) + 1);
  }

  void run_merge(const Merge& task) const {
    const Row row = row_of(task.seq, task.kv_head, task.row);
    const int seq_rows = tokens_of(args_, task.seq) * group_of(args_);
    const int chunks = row.last / kChunk - row.first / kChunk + 1;
    float* const sum = partial(task.partial);
    for (int i = 1; i < chunks; ++i) {
      merge<Machine>(sum, partial(task.partial + ptrdiff_t{i} * seq_rows), stride_);
    }
    write_out(sum, args_.shape.head_dim, row.out);
  }

  const ExecView& exec_;
  const AttentionArgs& args_;
  const Machine& machine_;
  const size_t stride_;  // floats of a partial
  const Counts counts_;
  const size_t merges_at_, own_at_, thread_bytes_, partials_at_;  // bytes in scratch
};

}  // namespace
}  // namespace millrace::kernels::chunked
