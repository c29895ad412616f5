// One query row and head at a time: all scores, softmax, weighted sum of V; sums are in f64.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/parallel.h"
#include "kernels/reference/kv.h"
#include "kernels/reference/table.h"

namespace millrace::kernels::reference {
namespace {

struct Scratch {
  float* vector;   // [head_dim]
  double* scores;  // [longest context]
  double* sum;     // [head_dim]
};

std::size_t longest_context(const AttentionArgs& args) {
  std::int32_t longest = 0;
  for (int s = 0; s < args.num_seqs; ++s) longest = std::max(longest, args.context_len[s]);
  return static_cast<std::size_t>(longest);
}

std::size_t thread_doubles(const AttentionArgs& args) {
  return longest_context(args) + 2 * static_cast<std::size_t>(args.shape.head_dim);
}

void attend(const AttentionArgs& args, int seq, int row, int head, const Scratch& scratch) {
  const int width = args.shape.head_dim;
  const int kv_head = head / (args.heads / args.shape.kv_heads);
  const int last = args.context_len[seq] - args.query_start[seq + 1] + row;  // its position
  const int first = args.window > 0 ? std::max(0, last - args.window + 1) : 0;
  const float* q = args.q + row * args.q_stride + static_cast<std::ptrdiff_t>(head) * width;
  const auto slot_of = [&](int position) {
    const std::int32_t* table =
        args.block_table + static_cast<std::ptrdiff_t>(seq) * args.block_table_stride;
    return static_cast<std::int64_t>(table[position / args.shape.block_tokens]) *
               args.shape.block_tokens +
           position % args.shape.block_tokens;
  };

  double largest = -HUGE_VAL;
  for (int p = first; p <= last; ++p) {
    kv_load(args.shape, args.layer_kv, KvSide::k, slot_of(p), kv_head, scratch.vector);
    double score = 0;
    for (int i = 0; i < width; ++i) score += static_cast<double>(q[i]) * scratch.vector[i];
    score *= args.scale;
    if (args.soft_cap > 0) score = args.soft_cap * std::tanh(score / args.soft_cap);
    scratch.scores[p - first] = score;
    largest = std::max(largest, score);
  }

  double total = 0;
  std::fill_n(scratch.sum, width, 0.0);
  for (int p = first; p <= last; ++p) {
    const double weight = std::exp(scratch.scores[p - first] - largest);
    total += weight;
    kv_load(args.shape, args.layer_kv, KvSide::v, slot_of(p), kv_head, scratch.vector);
    for (int i = 0; i < width; ++i) scratch.sum[i] += weight * scratch.vector[i];
  }
  float* out = args.out + row * args.out_stride + static_cast<std::ptrdiff_t>(head) * width;
  for (int i = 0; i < width; ++i) out[i] = static_cast<float>(scratch.sum[i] / total);
}

}  // namespace

std::size_t attention_scratch(const ExecView& exec, const AttentionArgs& args) {
  return sizeof(double) * thread_doubles(args) * static_cast<std::size_t>(exec.num_threads);
}

void attention(const ExecView& exec, const AttentionArgs& args) {
  const std::size_t stride = thread_doubles(args);
  parallel_for(exec, args.heads, [&](int head, int thread) {
    double* const begin =
        static_cast<double*>(exec.scratch) + stride * static_cast<std::size_t>(thread);
    const Scratch scratch = {.vector = reinterpret_cast<float*>(begin + args.shape.head_dim),
                             .scores = begin + 2 * args.shape.head_dim,
                             .sum = begin};
    for (int seq = 0; seq < args.num_seqs; ++seq) {
      for (int row = args.query_start[seq]; row < args.query_start[seq + 1]; ++row) {
        attend(args, seq, row, head, scratch);
      }
    }
  });
}

}  // namespace millrace::kernels::reference
