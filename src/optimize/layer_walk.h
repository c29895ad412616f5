// Text on its way through a model of which one layer is loaded at a time: the residual stream of
// all its tokens stays in memory between layers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/ops.h"
#include "models/decoder.h"
#include "tensor/buffer.h"

namespace millrace::optimize {

// Σ x·xᵀ over all tokens of what a layer's matrices read.
struct LayerMoments {
  std::vector<float> attention_input;  // [hidden, hidden], of q, k and v
  std::vector<float> attention;        // [q width, q width], of the output projection
  std::vector<float> mlp_input;        // [hidden, hidden], of gate and up
  std::vector<float> mlp;              // [intermediate, intermediate], of down
};

class LayerWalk {
 public:
  // Tokens are read in windows of `context`. Borrows all.
  LayerWalk(kernels::Ops& ops, const models::DecoderConfig& config,
            std::span<const std::int32_t> tokens, int context);

  // Begins. Of the weights only embedding and positions are used.
  void embed(models::DecoderWeights weights);
  // What the layer's matrices would read. The stream stays where it is.
  LayerMoments measure(models::LayerWeights layer);
  // Takes the stream through the layer.
  void pass(models::LayerWeights layer);
  std::span<const float> stream() const { return hidden_; }  // [tokens, hidden]

 private:
  models::Decoder decoder_of(models::DecoderWeights weights);
  models::Decoder decoder_of(models::LayerWeights layer);
  // Calls use(batch, hidden) for every window; hidden is the window's part of the stream.
  template <class Use>
  void each_window(const Use& use);

  kernels::Ops& ops_;
  models::DecoderConfig config_;  // of one layer
  std::span<const std::int32_t> tokens_;
  int context_;
  std::vector<float> hidden_;  // [tokens, hidden]
  Buffer kv_memory_;           // of one window in one layer
  models::KvCache kv_;
};

}  // namespace millrace::optimize
