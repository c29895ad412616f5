#include "models/rms_rope_config.h"

#include <fmt/format.h>

#include "models/gguf_config.h"
#include "models/rope_config.h"

namespace millrace::models {

DecoderConfig read_hf_rms_rope(ConfigFields& fields) {
  DecoderConfig config;
  config.num_layers = fields.integer("num_hidden_layers", 1, 1024);
  config.hidden_size = fields.integer("hidden_size", 1, 1 << 17);
  config.intermediate_size = fields.integer("intermediate_size", 1, 1 << 20);
  config.num_heads = fields.integer("num_attention_heads", 1, 1024);
  config.num_kv_heads = fields.integer("num_key_value_heads", 1, 1024, config.num_heads);
  config.vocab_size = fields.integer("vocab_size", 1, 1 << 22);
  config.max_position = fields.integer_up_to("max_position_embeddings", 1, kMaxContext);
  if (fields.has("head_dim")) {
    config.head_dim = fields.integer("head_dim", 1, 1024);
  } else {
    config.head_dim = config.hidden_size / config.num_heads;
    if (config.head_dim * config.num_heads != config.hidden_size) {
      fields.fail_field("hidden_size",
                        fmt::format("({}) is not a multiple of num_attention_heads ({})",
                                    config.hidden_size, config.num_heads));
    }
  }
  config.norm_eps = static_cast<float>(fields.number("rms_norm_eps", 0, 1, 1e-6));
  config.activation = fields.choice<Activation>("hidden_act", "silu",
                                                {{"silu", Activation::silu},
                                                 {"swish", Activation::silu},
                                                 {"gelu_new", Activation::gelu_tanh},
                                                 {"gelu_pytorch_tanh", Activation::gelu_tanh}});
  config.rope = read_hf_rope(fields, config.head_dim, config.max_position);
  config.tied_embeddings = fields.flag("tie_word_embeddings", false);
  config.eos_token_ids = fields.token_ids("eos_token_id");
  config.bos_token_id = fields.integer("bos_token_id", -1, 1 << 30, -1);
  return config;
}

DecoderConfig read_gguf_rms_rope(const weights::WeightFile& file, ConfigFields& fields) {
  DecoderConfig config = read_gguf_sizes(file, fields);
  config.norm_eps =
      static_cast<float>(fields.number("attention.layer_norm_rms_epsilon", 0, 1, 1e-6));
  config.rope = read_gguf_rope(file, fields, config.head_dim, config.max_position);
  config.sliding_window = fields.integer_up_to("attention.sliding_window", 0, kMaxContext, 0);
  // GGUF has no field for biases: the tensors themselves tell.
  config.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
  config.output_bias = file.find("blk.0.attn_output.bias") != nullptr;
  config.mlp_bias = file.find("blk.0.ffn_up.bias") != nullptr;
  return config;
}

void read_qwen_window(ConfigFields& fields, DecoderConfig& config) {
  if (!fields.flag("use_sliding_window", false)) return;
  config.sliding_window = fields.integer_up_to("sliding_window", 0, kMaxContext, 0);
  const int first_windowed = fields.integer("max_window_layers", 0, 1 << 20, 0);
  if (first_windowed >= config.num_layers) config.sliding_window = 0;  // no layer gets that far
  if (config.sliding_window > 0 && first_windowed > 0) {
    fields.fail_field("max_window_layers",
                      "mixes full and windowed layers, which is not supported");
  }
}

TensorNames rms_rope_tensor_names(const ModelFiles& files) {
  if (is_gguf(files)) return gguf_tensor_names();
  const std::string layer = "model.layers.{}.";
  TensorNames names;
  names.embedding = "model.embed_tokens";
  names.final_norm = "model.norm";
  names.lm_head = "lm_head";
  names.attention_norm = layer + "input_layernorm";
  names.q = layer + "self_attn.q_proj";
  names.k = layer + "self_attn.k_proj";
  names.v = layer + "self_attn.v_proj";
  names.q_norm = layer + "self_attn.q_norm";
  names.k_norm = layer + "self_attn.k_norm";
  names.output = layer + "self_attn.o_proj";
  names.mlp_norm = layer + "post_attention_layernorm";
  names.gate = layer + "mlp.gate_proj";
  names.up = layer + "mlp.up_proj";
  names.down = layer + "mlp.down_proj";
  return names;
}

}  // namespace millrace::models
