// A decoder's packed weights, and how a family's files name them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "models/decoder_config.h"
#include "models/weight_source.h"

namespace millrace::models {

// Names as they stand in the file, without ".weight" and ".bias". In layer names "{}" is the layer
// number. Either qkv (rows q, then k, then v) or q, k and v are set; gate only for a gated MLP.
struct TensorNames {
  std::string embedding, positions, final_norm, lm_head;
  std::string attention_norm, qkv, q, k, v, q_norm, k_norm, output;
  std::string mlp_norm, gate, up, down;
  bool transposed = false;  // the layers' linears are stored [in, out]
};

struct LayerWeights {
  Norm attention_norm;
  Linear q, k, v;
  Norm q_norm, k_norm;  // empty unless config.qk_norm
  Linear output;
  Norm mlp_norm;
  Linear gate, up, down;  // gate is empty unless config.gated_mlp
};

struct DecoderWeights {
  kernels::Weight embedding;  // [vocab, hidden]
  kernels::Weight positions;  // [max_position, hidden], learned positions only
  std::vector<LayerWeights> layers;
  Norm final_norm;
  kernels::Weight lm_head;  // [vocab, hidden]; empty when tied: the embedding is used, packed once
  std::int64_t bytes = 0;
  std::int64_t num_parameters = 0;
};

// The matrices of one layer as the file has them. Those that read the same x stand together.
struct LayerLinears {
  LinearSpec q, k, v;
  LinearSpec output;
  LinearSpec gate, up;  // gate has no name unless config.gated_mlp
  LinearSpec down;
};
LayerLinears layer_linears(const DecoderConfig& config, const TensorNames& names, int layer);

// One layer of those that load_decoder_weights() loads; source.status() says what was wrong.
LayerWeights load_layer_weights(const DecoderConfig& config, const TensorNames& names, int layer,
                                WeightSource& source);

// Loads every tensor that `config` implies. A missing or misshapen tensor, or a file with more
// layers than the config says, is an error that names it. `config` has passed check_decoder_config.
Result<DecoderWeights> load_decoder_weights(const DecoderConfig& config, const TensorNames& names,
                                            WeightSource& source);

}  // namespace millrace::models
