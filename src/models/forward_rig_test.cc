#include "models/forward_rig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace millrace::models {

ForwardRig::ForwardRig(const RigOptions& options)
    : table_(**kernels::select_kernels(options.kernels)),
      options_(options),
      pool_(options.num_threads),
      exec_(pool_, options.precision),
      ops_{table_, exec_} {}

Status ForwardRig::load(const ModelFiles& files) {
  auto built = build_causal_model(
      files, ops_, {.max_position = 0, .quantization = options_.quantization, .progress = {}});
  if (!built) return pass(built);
  model_ = *std::move(built);
  const DecoderConfig& config = model_->config();
  model_->reserve(ops_, options_.max_tokens, options_.max_tokens);
  kv_.shape = {.kind = options_.kv_kind,
               .block_tokens = options_.block_tokens,
               .kv_heads = config.num_kv_heads,
               .head_dim = config.head_dim};
  const std::size_t bytes =
      table_.kv_block_bytes(kv_.shape) * static_cast<std::size_t>(options_.num_blocks);
  kv_.layers.clear();
  kv_memory_.clear();
  for (int layer = 0; layer < config.num_layers; ++layer) {
    kv_.layers.push_back(kv_memory_.emplace_back(bytes).data());
  }
  free_blocks_.clear();
  for (int i = 0; i < options_.num_blocks; ++i) {
    free_blocks_.push_back(i * 7 % options_.num_blocks);  // 7 and num_blocks have no common factor
  }
  return {};
}

std::vector<std::vector<float>> ForwardRig::step(const std::vector<Chunk>& chunks) {
  std::vector<std::int32_t> tokens, positions, slots, starts{0}, lengths, rows;
  std::size_t stride = 1;
  for (const Chunk& chunk : chunks) {
    Sequence& sequence = sequences_[chunk.sequence];
    for (const int row : chunk.rows) rows.push_back(static_cast<std::int32_t>(tokens.size()) + row);
    for (const std::int32_t token : chunk.tokens) {
      const int offset = sequence.length % options_.block_tokens;
      if (offset == 0) {
        MILLRACE_CHECK(!free_blocks_.empty());
        sequence.blocks.push_back(free_blocks_.back());
        free_blocks_.pop_back();
      }
      tokens.push_back(token);
      positions.push_back(sequence.length++);
      slots.push_back(sequence.blocks.back() * options_.block_tokens + offset);
    }
    starts.push_back(static_cast<std::int32_t>(tokens.size()));
    lengths.push_back(sequence.length);
    stride = std::max(stride, sequence.blocks.size());
  }
  std::vector<std::int32_t> table;
  for (const Chunk& chunk : chunks) {
    std::vector<std::int32_t> blocks = sequences_[chunk.sequence].blocks;
    blocks.resize(stride, 0);
    table.insert(table.end(), blocks.begin(), blocks.end());
  }
  const auto vocab = static_cast<std::size_t>(model_->config().vocab_size);
  std::vector<float> logits(rows.size() * vocab);
  model_->forward(ops_,
                  {.tokens = tokens,
                   .positions = positions,
                   .slots = slots,
                   .query_start = starts,
                   .context_len = lengths,
                   .block_table = table,
                   .block_table_stride = static_cast<int>(stride),
                   .logit_rows = rows},
                  kv_, logits.data());
  std::vector<std::vector<float>> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* row = logits.data() + i * vocab;
    out.emplace_back(row, row + vocab);
  }
  return out;
}

void ForwardRig::forget(int sequence) {
  const auto found = sequences_.find(sequence);
  if (found == sequences_.end()) return;
  free_blocks_.insert(free_blocks_.end(), found->second.blocks.begin(), found->second.blocks.end());
  sequences_.erase(found);
}

std::vector<std::int32_t> ForwardRig::greedy(const std::vector<std::int32_t>& prompt, int count) {
  constexpr int kSequence = -1;
  std::vector<std::int32_t> out;
  std::vector<std::int32_t> feed = prompt;
  while (static_cast<int>(out.size()) < count) {
    const int last = static_cast<int>(feed.size()) - 1;
    const auto logits = step({{kSequence, feed, {last}}});
    const auto best = std::max_element(logits[0].begin(), logits[0].end());
    out.push_back(static_cast<std::int32_t>(best - logits[0].begin()));
    feed = {out.back()};
  }
  forget(kSequence);
  return out;
}

std::vector<double> log_softmax(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - largest);
  std::vector<double> out;
  for (const float x : logits) out.push_back(x - largest - std::log(sum));
  return out;
}

TEST(ForwardRig, LogSoftmaxSumsToOne) {
  const std::vector<float> logits{1.0f, -2.0f, 3.5f};
  double sum = 0;
  for (const double x : log_softmax(logits)) sum += std::exp(x);
  EXPECT_NEAR(sum, 1.0, 1e-12);
}

}  // namespace millrace::models
