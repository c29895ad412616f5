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

void load_attention(const DecoderConfig& config, const TensorNames& names, int layer,
                    WeightSource& source, LayerWeights& out) {
  const bool layer_norm = config.norm == NormKind::layer;
  const int hidden = config.hidden_size;
  const int q_width = config.num_heads * config.head_dim;
  const int kv_width = config.num_kv_heads * config.head_dim;
  out.attention_norm = source.norm(at_layer(names.attention_norm, layer), hidden, layer_norm);

  LinearSpec q{.n = q_width, .k = hidden, .bias = config.qkv_bias, .transposed = names.transposed};
  LinearSpec k = q;
  k.n = kv_width;
  LinearSpec v = k;
  if (names.qkv.empty()) {
    q.name = at_layer(names.q, layer);
    k.name = at_layer(names.k, layer);
    v.name = at_layer(names.v, layer);
  } else {
    q.name = k.name = v.name = at_layer(names.qkv, layer);
    q.total_rows = k.total_rows = v.total_rows = q_width + 2 * kv_width;
    k.first_row = q_width;
    v.first_row = q_width + kv_width;
  }
  out.q = source.linear(q);
  out.k = source.linear(k);
  out.v = source.linear(v);
  if (config.qk_norm) {
    out.q_norm = source.norm(at_layer(names.q_norm, layer), config.head_dim, false);
    out.k_norm = source.norm(at_layer(names.k_norm, layer), config.head_dim, false);
  }
  out.output = source.linear({.name = at_layer(names.output, layer),
                              .n = hidden,
                              .k = q_width,
                              .bias = config.output_bias,
                              .transposed = names.transposed});
}

void load_mlp(const DecoderConfig& config, const TensorNames& names, int layer,
              WeightSource& source, LayerWeights& out) {
  const bool layer_norm = config.norm == NormKind::layer;
  const int hidden = config.hidden_size;
  out.mlp_norm = source.norm(at_layer(names.mlp_norm, layer), hidden, layer_norm);
  const LinearSpec up{.name = at_layer(names.up, layer),
                      .n = config.intermediate_size,
                      .k = hidden,
                      .bias = config.mlp_bias,
                      .transposed = names.transposed};
  if (config.gated_mlp) {
    LinearSpec gate = up;
    gate.name = at_layer(names.gate, layer);
    std::vector<Linear> both = source.fused_linears({gate, up});
    out.gate = std::move(both[0]);
    out.up = std::move(both[1]);
  } else {
    out.up = source.linear(up);
  }
  out.down = source.linear({.name = at_layer(names.down, layer),
                            .n = hidden,
                            .k = config.intermediate_size,
                            .bias = config.mlp_bias,
                            .transposed = names.transposed});
}

}  // namespace

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
    LayerWeights& out = weights.layers.emplace_back();
    load_attention(config, names, layer, source, out);
    load_mlp(config, names, layer, source, out);
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
