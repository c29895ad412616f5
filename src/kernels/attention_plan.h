// How attention over a context is cut into tasks, for every table alike. No intrinsics: each ISA
// folder compiles its own copy (README.md: the ODR hazard).
//
// A row is one token's one query head; those of a sequence and KV head are numbered token · group +
// head in the group. Positions are taken in chunks of kChunk, counted from position 0. A chunk
// gives a row a partial result by itself: maximum, sum of weights, weighted V. Partials are merged
// in the order of chunks. So the bits of a row depend on nothing but its own context, wherever and
// beside whatever its chunks are computed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

namespace millrace::kernels::chunked {
namespace {

constexpr int kChunk = 256;

// Rows of a sequence and KV head over some chunks. All the rows of a KV head, where a task may have
// as many, so K and V come from memory once.
struct Task {
  int seq, kv_head;
  int first_row, num_rows;
  int first_chunk, end_chunk;
  ptrdiff_t partial;  // of first_row and first_chunk; -1: the task merges its chunks by itself
};

// A row whose chunks were split among tasks.
struct Merge {
  int seq, kv_head, row;
  ptrdiff_t partial;  // of the first chunk that the row sees
};

struct Counts {
  int tasks = 0, merges = 0;
  ptrdiff_t partials = 0;
  int64_t cost = 0;  // multiply-adds of scores, about
};

inline int smaller(int a, int b) {
  return b < a ? b : a;
}
inline int larger(int a, int b) {
  return a < b ? b : a;
}
inline int tokens_of(const AttentionArgs& args, int seq) {
  return args.query_start[seq + 1] - args.query_start[seq];
}
inline int group_of(const AttentionArgs& args) {
  return args.heads / args.shape.kv_heads;
}
inline int last_seen(const AttentionArgs& args, int seq, int row) {
  return args.context_len[seq] - tokens_of(args, seq) + row / group_of(args);
}
inline int first_seen(const AttentionArgs& args, int seq, int row) {
  const int last = last_seen(args, seq, row);
  return args.window > 0 && last >= args.window ? last - args.window + 1 : 0;
}
// Positions that some row of the sequence sees.
inline int positions_of(const AttentionArgs& args, int seq) {
  return args.context_len[seq] - first_seen(args, seq, 0);
}
inline int64_t cost_of(const AttentionArgs& args, int seq, int rows) {
  return int64_t{rows} * positions_of(args, seq) * args.shape.head_dim;
}

// The partials of a sequence and KV head that is split: [chunk that a row sees][row].
//
// Calls on_task for every task and on_merge for every row of a sequence that is split: one whose
// tasks would be so long that a thread could be left alone with the last. Tasks that share K and V
// are neighbours.
template <class OnTask, class OnMerge>
Counts make_plan(int num_threads, const AttentionArgs& args, int rows_per_task,
                 const OnTask& on_task, const OnMerge& on_merge) {
  constexpr int kTasksPerThread = 16;
  Counts counts;
  for (int seq = 0; seq < args.num_seqs; ++seq) {
    counts.cost += cost_of(args, seq, tokens_of(args, seq) * args.heads);
  }
  const int64_t longest = counts.cost / (int64_t{kTasksPerThread} * num_threads) + 1;
  for (int seq = 0; seq < args.num_seqs; ++seq) {
    const int rows = tokens_of(args, seq) * group_of(args);
    if (rows == 0) continue;
    const int first = first_seen(args, seq, 0) / kChunk;
    const int end = last_seen(args, seq, rows - 1) / kChunk + 1;
    const int64_t wanted = cost_of(args, seq, smaller(rows, rows_per_task)) / longest + 1;
    const int pieces = num_threads == 1       ? 1
                       : wanted < end - first ? static_cast<int>(wanted)
                                              : end - first;
    const int run = (end - first + pieces - 1) / pieces;
    const bool split = run < end - first;
    for (int kv_head = 0; kv_head < args.shape.kv_heads; ++kv_head) {
      const auto partial_of = [&](int row, int chunk) {
        return counts.partials + static_cast<ptrdiff_t>(chunk - first) * rows + row;
      };
      for (int chunk = first; chunk < end; chunk += run) {
        for (int row = (rows - 1) / rows_per_task * rows_per_task; row >= 0; row -= rows_per_task) {
          const int num_rows = smaller(rows - row, rows_per_task);  // the longest first
          const int from = larger(chunk, first_seen(args, seq, row) / kChunk);
          const int to =
              smaller(chunk + run, last_seen(args, seq, row + num_rows - 1) / kChunk + 1);
          if (from >= to) continue;
          const ptrdiff_t partial = split ? partial_of(row, from) : -1;
          on_task(counts.tasks++, Task{seq, kv_head, row, num_rows, from, to, partial});
        }
      }
      for (int row = 0; split && row < rows; ++row) {
        const ptrdiff_t partial = partial_of(row, first_seen(args, seq, row) / kChunk);
        on_merge(counts.merges++, Merge{seq, kv_head, row, partial});
      }
      if (split) counts.partials += static_cast<ptrdiff_t>(end - first) * rows;
    }
  }
  return counts;
}

}  // namespace
}  // namespace millrace::kernels::chunked
