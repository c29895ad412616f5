#include "models/decoder_weights.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace millrace::models {
namespace {

std::string at_layer(std::string_view pattern, int layer) {
  std::string name(pattern);
  if (const auto place = name.find("{}"); place != std::string::npos) {
    name.replace(place, 2, std::to_string(layer));
  }
  return name;
}

}  // namespace

LayerLinears layer_linears(const DecoderConfig& config, const TensorNames& names, int layer) {
  const int hidden = config.hidden_size;
  const int q_width = config.num_heads * config.head_dim;
  const int kv_width = config.num_kv_heads * config.head_dim;
  const auto linear = [&](const std::string& name, int n, int k, bool bias) {
    return LinearSpec{.name = at_layer(name, layer),
                      .n = n,
                      .k = k,
                      .bias = bias,
                      .transposed = names.transposed};
  };
  LayerLinears all;
  const bool fused = !names.qkv.empty();
  all.q = linear(fused ? names.qkv : names.q, q_width, hidden, config.qkv_bias);
  all.k = linear(fused ? names.qkv : names.k, kv_width, hidden, config.qkv_bias);
  all.v = linear(fused ? names.qkv : names.v, kv_width, hidden, config.qkv_bias);
  if (fused) {
    all.q.total_rows = all.k.total_rows = all.v.total_rows = q_width + 2 * kv_width;
    all.k.first_row = q_width;
    all.v.first_row = q_width + kv_width;
  }
  all.output = linear(names.output, hidden, q_width, config.output_bias);
  if (config.gated_mlp) {
    all.gate = linear(names.gate, config.intermediate_size, hidden, config.mlp_bias);
  }
  all.up = linear(names.up, config.intermediate_size, hidden, config.mlp_bias);
  all.down = linear(names.down, hidden, config.intermediate_size, config.mlp_bias);
  return all;
}

LayerWeights load_layer_weights(const DecoderConfig& config, const TensorNames& names, int layer,
                                WeightSource& source) {
  const bool layer_norm = config.norm == NormKind::layer;
  const LayerLinears linears = layer_linears(config, names, layer);
  LayerWeights out;
  out.attention_norm =
      source.norm(at_layer(names.attention_norm, layer), config.hidden_size, layer_norm);
  out.q = source.linear(linears.q);
  out.k = source.linear(linears.k);
  out.v = source.linear(linears.v);
  if (config.qk_norm) {
    out.q_norm = source.norm(at_layer(names.q_norm, layer), config.head_dim, false);
    out.k_norm = source.norm(at_layer(names.k_norm, layer), config.head_dim, false);
  }
  out.output = source.linear(linears.output);
  out.mlp_norm = source.norm(at_layer(names.mlp_norm, layer), config.hidden_size, layer_norm);
  if (config.gated_mlp) {
    std::vector<Linear> both = source.fused_linears({linears.gate, linears.up});
    out.gate = std::move(both[0]);
    out.up = std::move(both[1]);
  } else {
    out.up = source.linear(linears.up);
  }
  out.down = source.linear(linears.down);
  return out;
}

Result<DecoderWeights> load_decoder_weights(const DecoderConfig& config, const TensorNames& names,
                                            WeightSource& source) {
  const std::string first_absent = at_layer(names.attention_norm, config.num_layers) + ".weight";
  if (source.has(first_absent)) {
    source.fail_load(fmt::format("tensor {} is there, but the config says {} layers", first_absent,
                                 config.num_layers));
  }
  DecoderWeights weights;
  weights.embedding = source.matrix(names.embedding, config.vocab_size, config.hidden_size);
  if (config.position == PositionKind::learned) {
    weights.positions = source.table(names.positions, config.max_position, config.hidden_size);
  }
  for (int layer = 0; layer < config.num_layers && source.status(); ++layer) {
    weights.layers.push_back(load_layer_weights(config, names, layer, source));
  }
  weights.final_norm =
      source.norm(names.final_norm, config.hidden_size, config.norm == NormKind::layer);
  if (!config.tied_embeddings) {
    weights.lm_head = source.matrix(names.lm_head, config.vocab_size, config.hidden_size);
  }
  if (!source.status()) return std::unexpected(source.status().error());
  weights.bytes = source.packed_bytes();
  weights.num_parameters = source.num_parameters();
  return weights;
}

}  // namespace millrace::models
