#include "models/decoder_config.h"

#include <fmt/format.h>

#include <cmath>

namespace millrace::models {
namespace {

struct Range {
  const char* field;
  std::int64_t value, low, high;
};

Status check_rope(const RopeConfig& rope, int head_dim) {
  const int rotary = rope.rotary_dim == 0 ? head_dim : rope.rotary_dim;
  if (rotary % 2 != 0 || rotary > head_dim || rotary < 2) {
    return invalid(fmt::format("rotary_dim is {}, expected an even number up to head_dim ({})",
                               rotary, head_dim),
                   "rotary_dim", "invalid_model");
  }
  if (!std::isfinite(rope.theta) || rope.theta <= 1) {
    return invalid("rope theta must be a finite number above 1", "rope_theta", "invalid_model");
  }
  if (!std::isfinite(rope.factor) || rope.factor < 1) {
    return invalid(fmt::format("rope scaling factor is {}, expected at least 1", rope.factor),
                   "factor", "invalid_model");
  }
  const bool needs_original =
      rope.scaling == RopeScaling::llama3 || rope.scaling == RopeScaling::yarn;
  if (needs_original && rope.original_max_position < 1) {
    return invalid("rope scaling needs original_max_position_embeddings",
                   "original_max_position_embeddings", "invalid_model");
  }
  if (rope.scaling == RopeScaling::llama3 && rope.high_freq_factor <= rope.low_freq_factor) {
    return invalid("rope high_freq_factor must be above low_freq_factor", "high_freq_factor",
                   "invalid_model");
  }
  if (rope.scaling == RopeScaling::yarn && !(rope.beta_slow > 0 && rope.beta_fast > 0)) {
    return invalid("rope beta_fast and beta_slow must be above 0", "beta_fast", "invalid_model");
  }
  if (!rope.frequency_factors.empty() &&
      rope.frequency_factors.size() != static_cast<std::size_t>(rotary / 2)) {
    return invalid(fmt::format("rope_freqs has {} values, expected {}",
                               rope.frequency_factors.size(), rotary / 2),
                   "rope_freqs", "invalid_model");
  }
  for (const float factor : rope.frequency_factors) {
    if (!std::isfinite(factor) || factor <= 0) {
      return invalid("rope_freqs holds a value that is not above 0", "rope_freqs", "invalid_model");
    }
  }
  return {};
}

}  // namespace

Status check_decoder_config(const DecoderConfig& config) {
  const Range ranges[] = {
      {"num_layers", config.num_layers, 1, 1024},
      {"hidden_size", config.hidden_size, 1, 1 << 17},
      {"intermediate_size", config.intermediate_size, 1, 1 << 20},
      {"num_heads", config.num_heads, 1, 1024},
      {"num_kv_heads", config.num_kv_heads, 1, config.num_heads},
      {"head_dim", config.head_dim, 1, 1024},
      {"vocab_size", config.vocab_size, 1, 1 << 22},
      {"max_position", config.max_position, 1, kMaxContext},
      {"sliding_window", config.sliding_window, 0, kMaxContext},
  };
  for (const Range& range : ranges) {
    if (range.value < range.low || range.value > range.high) {
      return invalid(fmt::format("{} is {}, expected {} to {}", range.field, range.value, range.low,
                                 range.high),
                     range.field, "invalid_model");
    }
  }
  if (config.num_heads % config.num_kv_heads != 0) {
    return invalid(fmt::format("num_heads ({}) is not a multiple of num_kv_heads ({})",
                               config.num_heads, config.num_kv_heads),
                   "num_kv_heads", "invalid_model");
  }
  if (!std::isfinite(config.norm_eps) || config.norm_eps < 0 || config.norm_eps > 1) {
    return invalid(fmt::format("norm epsilon is {}, expected 0 to 1", config.norm_eps), "norm_eps",
                   "invalid_model");
  }
  const float finite[] = {config.norm_weight_offset, config.embedding_scale, config.attention_scale,
                          config.attention_soft_cap, config.logit_soft_cap};
  for (const float value : finite) {
    if (!std::isfinite(value)) {
      return invalid("a scale or cap of the model is not finite", "scale", "invalid_model");
    }
  }
  const bool has_gated_form =
      config.activation == Activation::silu || config.activation == Activation::gelu_tanh;
  if (config.gated_mlp && !has_gated_form) {
    return invalid("a gated MLP must use silu or tanh gelu", "activation", "invalid_model");
  }
  if (config.position == PositionKind::rope) return check_rope(config.rope, config.head_dim);
  return {};
}

}  // namespace millrace::models
