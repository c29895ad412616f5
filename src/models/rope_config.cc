#include "models/rope_config.h"

#include <fmt/format.h>

#include <cmath>

namespace millrace::models {
namespace {

constexpr double kMaxTheta = 1e12;
constexpr double kMaxFactor = 1e6;

// mscale and mscale_all_dim (DeepSeek's spelling) give the attention factor as a ratio.
double yarn_attention_factor(ConfigFields& scaling, double factor) {
  const double stated = scaling.number("attention_factor", 0, 100, 0.0);
  const double mscale = scaling.number("mscale", 0, 100, 0.0);
  const double mscale_all = scaling.number("mscale_all_dim", 0, 100, 0.0);
  if (stated > 0 || mscale <= 0 || mscale_all <= 0) return stated;
  const double stretch = 0.1 * std::log(factor);
  return (stretch * mscale + 1) / (stretch * mscale_all + 1);
}

void read_hf_scaling(ConfigFields& scaling, int max_position, RopeConfig& rope) {
  const char* key = scaling.has("rope_type") ? "rope_type" : "type";
  rope.scaling = scaling.choice<RopeScaling>(key, "default",
                                             {{"default", RopeScaling::none},
                                              {"linear", RopeScaling::linear},
                                              {"llama3", RopeScaling::llama3},
                                              {"yarn", RopeScaling::yarn}});
  if (rope.scaling == RopeScaling::none) return;
  rope.factor = scaling.number("factor", 1, kMaxFactor);
  rope.original_max_position =
      scaling.integer("original_max_position_embeddings", 1, kMaxContext, max_position);
  if (rope.scaling == RopeScaling::llama3) {
    rope.low_freq_factor = scaling.number("low_freq_factor", 1e-6, 1e6);
    rope.high_freq_factor = scaling.number("high_freq_factor", 1e-6, 1e6);
  }
  if (rope.scaling == RopeScaling::yarn) {
    rope.beta_fast = scaling.number("beta_fast", 1e-6, 1e6, 32.0);
    rope.beta_slow = scaling.number("beta_slow", 1e-6, 1e6, 1.0);
    rope.attention_factor = yarn_attention_factor(scaling, rope.factor);
    if (!scaling.flag("truncate", true)) scaling.fail_field("truncate", "must be true");
  }
}

}  // namespace

RopeConfig read_hf_rope(ConfigFields& fields, int head_dim, int max_position) {
  RopeConfig rope;
  rope.theta = fields.number("rope_theta", 1, kMaxTheta, 10000.0);
  double rotated = fields.number("partial_rotary_factor", 0, 1, 1.0);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const json::object* object = fields.object(key);
    if (!object) continue;
    ConfigFields scaling(*object, fmt::format("config.json: {}", key));
    rope.theta = scaling.number("rope_theta", 1, kMaxTheta, rope.theta);
    rotated = scaling.number("partial_rotary_factor", 0, 1, rotated);
    read_hf_scaling(scaling, max_position, rope);
    fields.adopt(scaling);
    break;
  }
  rope.rotary_dim = static_cast<int>(head_dim * rotated);
  return rope;
}

RopeConfig read_gguf_rope(const weights::WeightFile& file, ConfigFields& fields, int head_dim,
                          int max_position) {
  RopeConfig rope;
  rope.theta = fields.number("rope.freq_base", 1, kMaxTheta, 10000.0);
  rope.rotary_dim = fields.integer("rope.dimension_count", 2, head_dim, head_dim);
  rope.scaling = fields.choice<RopeScaling>(
      "rope.scaling.type", "none",
      {{"none", RopeScaling::none}, {"linear", RopeScaling::linear}, {"yarn", RopeScaling::yarn}});
  if (fields.has("rope.scale_linear")) {  // the older spelling of linear scaling
    rope.factor = fields.number("rope.scale_linear", 1, kMaxFactor);
    if (rope.factor > 1) rope.scaling = RopeScaling::linear;
  }
  if (rope.scaling != RopeScaling::none) {
    rope.factor = fields.number("rope.scaling.factor", 1, kMaxFactor, rope.factor);
  }
  if (rope.scaling == RopeScaling::yarn) {
    rope.original_max_position =
        fields.integer("rope.scaling.original_context_length", 1, kMaxContext, max_position);
    rope.attention_factor = fields.number("rope.scaling.attn_factor", 1e-3, 1e3, 1.0) *
                            (0.1 * std::log(rope.factor) + 1.0);
  }
  if (const TensorView* factors = file.find("rope_freqs.weight")) {
    const std::int64_t count = factors->shape.num_elements();
    if (factors->dtype != DType::f32 || factors->shape.rank() != 1 ||
        count != rope.rotary_dim / 2) {
      fields.fail_field("rope.dimension_count", "does not agree with tensor rope_freqs.weight");
      return rope;
    }
    rope.frequency_factors.resize(static_cast<std::size_t>(count));
    weights::dequantise(*factors, 0, count, rope.frequency_factors.data());
  }
  return rope;
}

}  // namespace millrace::models
