// Decoder: the one decoder-only transformer, described by DecoderConfig, that every causal family
// runs. Pre-norm blocks: x += attention(norm(x)); x += mlp(norm(x)).
#pragma once

#include <memory>
#include <span>

#include "models/causal_model.h"
#include "models/decoder_weights.h"
#include "models/rope_tables.h"
#include "tensor/buffer.h"

namespace millrace::models {

class Decoder final : public CausalModel {
 public:
  // `config` has passed check_decoder_config and `weights` were loaded for it. With learned
  // positions or RoPE, max_position bounds what forward() may be asked for.
  Decoder(DecoderConfig config, DecoderWeights weights);

  const DecoderConfig& config() const override { return config_; }
  void reserve(kernels::Ops& ops, int max_tokens, int max_logit_rows) override;
  void forward(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv,
               float* logits) override;
  // Parts of forward(), for a model that is run layer by layer over many sequences, each with its
  // own KvCache: `weights` may then lack what the other parts need. hidden: [tokens, hidden], all
  // rows.
  void embed(kernels::Ops& ops, const ForwardBatch& batch, float* hidden);
  void run_layer(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv, int layer,
                 float* hidden);

  std::int64_t weight_bytes() const override { return weights_.bytes; }
  std::int64_t num_parameters() const override { return weights_.num_parameters; }

  void set_observer(ActivationObserver* observer) override { observer_ = observer; }

 private:
  int q_width() const { return config_.num_heads * config_.head_dim; }
  int kv_width() const { return config_.num_kv_heads * config_.head_dim; }

  // The residual stream that later steps read and add to: all tokens of the step, or, past the last
  // attention, only the rows whose logits are wanted.
  struct Stream {
    float* hidden;     // [rows, hidden]
    float* attention;  // [rows, heads * head_dim]
    int rows;
  };

  // The step's matrix products, built here: forward() runs them, reserve() sizes their
  // scratch.
  kernels::GemmArgs qkv_product(const LayerWeights& layer, int rows);
  kernels::GemmArgs output_product(const LayerWeights& layer, const Stream& stream);
  kernels::GemmArgs up_product(const LayerWeights& layer, int rows);
  kernels::GemmArgs down_product(const LayerWeights& layer, const Stream& stream);
  kernels::GemmArgs head_product(int rows, float* logits);
  kernels::AttentionArgs attention_args(const ForwardBatch& batch, const kernels::KvShape& shape,
                                        const void* layer_kv);

  void check_batch(const ForwardBatch& batch, const KvCache& kv) const;
  void project_qkv(kernels::Ops& ops, const float* hidden, const ForwardBatch& batch, int layer);
  void store_kv(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv, int layer);
  void attend(kernels::Ops& ops, const ForwardBatch& batch, const KvCache& kv, int layer);
  Stream pick_rows(const ForwardBatch& batch);
  // From the attention's output to the end of the layer.
  void finish_layer(kernels::Ops& ops, const Stream& stream, int layer);
  void mlp(kernels::Ops& ops, const LayerWeights& layer, const Stream& stream, int index);
  void head(kernels::Ops& ops, const Stream& stream, float* logits);
  void normalise(kernels::Ops& ops, const Norm& norm, const float* x, float* out, int rows,
                 int width, const kernels::Operand& operand = {});
  // `args` reads its x as an operand where it would rather; the operand takes the memory of x.
  // Nobody may look at x then.
  kernels::Operand take_operand(kernels::Ops& ops, kernels::GemmArgs& args) const;
  void rotate(kernels::Ops& ops, float* x, int heads, const ForwardBatch& batch);
  void reserve_scratch(kernels::Ops& ops);
  void report(ActivationPoint point, int layer, const float* values, int rows, int width) const;

  DecoderConfig config_;
  DecoderWeights weights_;
  RopeTables rope_;
  ActivationObserver* observer_ = nullptr;

  int max_tokens_ = 0;
  int max_logit_rows_ = 0;
  Buffer hidden_;             // [max_tokens, hidden]
  Buffer normed_;             // the same, or an operand of as many rows
  Buffer q_, attention_;      // [max_tokens, heads * head_dim]
  Buffer k_, v_;              // [max_tokens, kv_heads * head_dim]
  Buffer mlp_;                // [max_tokens, intermediate], or an operand
  Buffer picked_hidden_;      // [max_logit_rows, hidden]
  Buffer picked_attention_;   // [max_logit_rows, heads * head_dim]
  Buffer learned_positions_;  // [max_tokens, hidden]
};

}  // namespace millrace::models
