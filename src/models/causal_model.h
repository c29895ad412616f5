// CausalModel: one decoder's forward pass over paged KV. Built by a family file from config and
// weights; knows nothing of requests or scheduling.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/ops.h"
#include "models/decoder_config.h"

namespace millrace::models {

// One step's work, flat. Sequence s owns tokens [query_start[s], query_start[s+1]).
struct ForwardBatch {
  std::span<const std::int32_t> tokens;       // [tokens]
  std::span<const std::int32_t> positions;    // [tokens]
  std::span<const std::int32_t> slots;        // [tokens] KV slot: block * block_tokens + offset
  std::span<const std::int32_t> query_start;  // [seqs + 1]
  std::span<const std::int32_t> context_len;  // [seqs], this step's tokens included
  std::span<const std::int32_t> block_table;  // [seqs, block_table_stride]
  int block_table_stride = 0;
  std::span<const std::int32_t> logit_rows;  // indices into tokens whose logits are wanted
};

// The KV memory of all layers; layer l's blocks start at layers[l].
struct KvCache {
  kernels::KvShape shape;
  std::vector<void*> layers;
};

// Sees activations as they are computed: calibration and layer-by-layer tests.
enum class ActivationPoint : std::uint8_t {
  embedding,        // [rows, hidden], layer -1
  attention_input,  // [rows, hidden]: what q, k and v are made of
  q,                // [rows, heads * head_dim], after RoPE
  k,                // [rows, kv_heads * head_dim], after RoPE
  v,                // [rows, kv_heads * head_dim]
  attention,        // [rows, heads * head_dim], before the output projection
  mlp_input,        // [rows, hidden], before the gate and up projections
  mlp,              // [rows, intermediate], before the down projection
  block,            // [rows, hidden]: the residual stream after the layer
  final_norm,       // [rows, hidden], layer -1
};
class ActivationObserver {
 public:
  virtual ~ActivationObserver() = default;
  // In the last layer, from `mlp_input` on, the rows are those of ForwardBatch::logit_rows.
  virtual void observe(ActivationPoint point, int layer, std::span<const float> values) = 0;
};

class CausalModel {
 public:
  virtual ~CausalModel() = default;
  virtual const DecoderConfig& config() const = 0;
  // logits: [logit_rows.size(), vocab_size] f32. Stores this step's K and V. Not thread-safe.
  virtual void forward(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv,
                       float* logits) = 0;
  // Makes every buffer for steps of up to max_tokens tokens and max_logit_rows rows, so that
  // forward() allocates nothing.
  virtual void reserve(kernels::Ops& ops, int max_tokens, int max_logit_rows) = 0;
  // Called from forward(), until it is replaced; null: none.
  virtual void set_observer(ActivationObserver* observer) = 0;
  virtual std::int64_t weight_bytes() const = 0;  // resident, packed
  virtual std::int64_t num_parameters() const = 0;
};

}  // namespace millrace::models
