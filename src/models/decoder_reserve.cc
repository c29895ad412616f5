// Decoder's other half: buffers made ahead, and what forward() demands of its caller.
#include <algorithm>
#include <vector>

#include "base/check.h"
#include "models/decoder.h"

namespace millrace::models {
namespace {

Buffer floats(int rows, int width) {
  return Buffer(static_cast<std::size_t>(rows) * static_cast<std::size_t>(width) * sizeof(float));
}

// [rows, width] f32, or an operand of any form.
Buffer rows_for(const kernels::Kernels& table, int rows, int width) {
  return Buffer(
      std::max(static_cast<std::size_t>(rows) * static_cast<std::size_t>(width) * sizeof(float),
               kernels::operand_bytes(table, rows, width)));
}

}  // namespace

void Decoder::reserve(kernels::Ops& ops, int max_tokens, int max_logit_rows) {
  MILLRACE_CHECK(max_tokens > 0 && max_logit_rows > 0);
  max_tokens_ = max_tokens;
  max_logit_rows_ = std::min(max_logit_rows, max_tokens);
  hidden_ = floats(max_tokens_, config_.hidden_size);
  normed_ = rows_for(ops.table, max_tokens_, config_.hidden_size);
  q_ = floats(max_tokens_, q_width());
  attention_ = floats(max_tokens_, q_width());
  k_ = floats(max_tokens_, kv_width());
  v_ = floats(max_tokens_, kv_width());
  mlp_ = rows_for(ops.table, max_tokens_, config_.intermediate_size);
  picked_hidden_ = floats(max_logit_rows_, config_.hidden_size);
  picked_attention_ = floats(max_logit_rows_, q_width());
  if (config_.position == PositionKind::learned) {
    learned_positions_ = floats(max_tokens_, config_.hidden_size);
  }
  reserve_scratch(ops);
}

// Scratch for the largest products and attention that forward() can meet.
void Decoder::reserve_scratch(kernels::Ops& ops) {
  const ExecView& view = ops.exec.view(0);
  std::size_t bytes = 0;
  const auto grow = [&](const kernels::GemmArgs& args) {
    bytes = std::max(bytes, ops.table.gemm_scratch(view, args));
  };
  const Stream stream{hidden_.as<float>(), attention_.as<float>(), max_tokens_};
  for (const LayerWeights& layer : weights_.layers) {
    grow(qkv_product(layer, max_tokens_));
    grow(output_product(layer, stream));
    grow(up_product(layer, max_tokens_));
    grow(down_product(layer, stream));
  }
  if (const kernels::GemmArgs head = head_product(max_logit_rows_, nullptr);
      head.parts[0].weight->data) {
    grow(head);
  }

  // One long prompt, and as many decoding sequences as there are logit rows.
  const int block_tokens = 16;
  const kernels::KvShape shape{.kind = kernels::KvKind::f32,
                               .block_tokens = block_tokens,
                               .kv_heads = config_.num_kv_heads,
                               .head_dim = config_.head_dim};
  const int blocks = config_.max_position / block_tokens + 1;
  const std::vector<std::int32_t> table(static_cast<std::size_t>(blocks));
  for (const int seqs : {1, max_logit_rows_}) {
    std::vector<std::int32_t> starts(static_cast<std::size_t>(seqs) + 1);
    for (std::size_t s = 1; s < starts.size(); ++s) starts[s] = static_cast<std::int32_t>(s);
    if (seqs == 1) starts[1] = std::min(max_tokens_, config_.max_position);
    const std::vector<std::int32_t> lengths(static_cast<std::size_t>(seqs), config_.max_position);
    ForwardBatch batch;
    batch.query_start = starts;
    batch.context_len = lengths;
    batch.block_table = table;
    batch.block_table_stride = 0;  // all share the one row
    bytes =
        std::max(bytes, ops.table.attention_scratch(view, attention_args(batch, shape, nullptr)));
  }
  ops.exec.view(bytes);
}

void Decoder::check_batch(const ForwardBatch& batch, const KvCache& kv) const {
  const std::size_t tokens = batch.tokens.size();
  MILLRACE_CHECK(tokens > 0 && tokens <= static_cast<std::size_t>(max_tokens_));
  MILLRACE_CHECK(batch.positions.size() == tokens && batch.slots.size() == tokens);
  MILLRACE_CHECK(batch.query_start.size() == batch.context_len.size() + 1);
  MILLRACE_CHECK(batch.query_start.back() == static_cast<std::int32_t>(tokens));
  MILLRACE_CHECK(batch.logit_rows.size() <= static_cast<std::size_t>(max_logit_rows_));
  MILLRACE_CHECK(kv.layers.size() == weights_.layers.size());
  MILLRACE_CHECK(kv.shape.kv_heads == config_.num_kv_heads &&
                 kv.shape.head_dim == config_.head_dim);
  for (const std::int32_t token : batch.tokens) {
    MILLRACE_CHECK(token >= 0 && token < config_.vocab_size);
  }
  for (const std::int32_t position : batch.positions) {
    MILLRACE_CHECK(position >= 0 && position < config_.max_position);
  }
  for (const std::int32_t row : batch.logit_rows) {
    MILLRACE_CHECK(row >= 0 && static_cast<std::size_t>(row) < tokens);
  }
}

}  // namespace millrace::models
