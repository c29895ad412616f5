// GPT-2 (openai-community/gpt2 and alike): learned positions, layer norm, fused q-k-v. In Hugging
// Face files the linears are Conv1D, stored [in, out]; in GGUF they are [out, in].
#include "models/config_fields.h"
#include "models/families.h"
#include "models/gguf_config.h"

namespace millrace::models {
namespace {

void set_gpt2_shape(DecoderConfig& config) {
  config.norm = NormKind::layer;
  config.position = PositionKind::learned;
  config.gated_mlp = false;
  config.qkv_bias = config.output_bias = config.mlp_bias = true;
}

Result<DecoderConfig> read_hf(const ModelFiles& files) {
  ConfigFields fields(files.config);
  DecoderConfig config;
  set_gpt2_shape(config);
  config.num_layers = fields.integer("n_layer", 1, 1024);
  config.hidden_size = fields.integer("n_embd", 1, 1 << 17);
  config.intermediate_size = fields.integer("n_inner", 1, 1 << 20, 4 * config.hidden_size);
  config.num_heads = fields.integer("n_head", 1, 1024);
  config.num_kv_heads = config.num_heads;
  config.head_dim = config.hidden_size / config.num_heads;
  if (config.head_dim * config.num_heads != config.hidden_size) {
    fields.fail_field("n_embd", "is not a multiple of n_head");
  }
  config.vocab_size = fields.integer("vocab_size", 1, 1 << 22);
  config.max_position = fields.integer("n_positions", 1, kMaxContext);
  config.norm_eps = static_cast<float>(fields.number("layer_norm_epsilon", 0, 1, 1e-5));
  config.activation = fields.choice<Activation>("activation_function", "gelu_new",
                                                {{"gelu_new", Activation::gelu_tanh},
                                                 {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                 {"gelu", Activation::gelu_erf},
                                                 {"relu", Activation::relu},
                                                 {"silu", Activation::silu}});
  if (!fields.flag("scale_attn_weights", true)) config.attention_scale = 1.0f;
  if (fields.flag("scale_attn_by_inverse_layer_idx", false)) {
    fields.fail_field("scale_attn_by_inverse_layer_idx", "is not supported");
  }
  config.tied_embeddings = fields.flag("tie_word_embeddings", true);
  config.eos_token_ids = fields.token_ids("eos_token_id");
  config.bos_token_id = fields.integer("bos_token_id", -1, 1 << 30, -1);
  if (!fields.status()) return std::unexpected(fields.status().error());
  return config;
}

Result<DecoderConfig> read_gguf(const ModelFiles& files) {
  ConfigFields fields(files.weights, "gpt2.");
  DecoderConfig config = read_gguf_sizes(files.weights, fields);
  set_gpt2_shape(config);
  config.activation = Activation::gelu_tanh;
  config.norm_eps = static_cast<float>(fields.number("attention.layer_norm_epsilon", 0, 1, 1e-5));
  if (!fields.status()) return std::unexpected(fields.status().error());
  return config;
}

Result<DecoderConfig> read_config(const ModelFiles& files) {
  return is_gguf(files) ? read_gguf(files) : read_hf(files);
}

TensorNames tensor_names(const ModelFiles& files) {
  if (is_gguf(files)) {
    TensorNames names = gguf_tensor_names();
    names.qkv = "blk.{}.attn_qkv";
    return names;
  }
  // Checkpoints of the bare model lack the prefix.
  const std::string prefix = files.weights.find("wte.weight") ? "" : "transformer.";
  const std::string layer = prefix + "h.{}.";
  TensorNames names;
  names.embedding = prefix + "wte";
  names.positions = prefix + "wpe";
  names.final_norm = prefix + "ln_f";
  names.lm_head = "lm_head";
  names.attention_norm = layer + "ln_1";
  names.qkv = layer + "attn.c_attn";
  names.output = layer + "attn.c_proj";
  names.mlp_norm = layer + "ln_2";
  names.up = layer + "mlp.c_fc";
  names.down = layer + "mlp.c_proj";
  names.transposed = true;
  return names;
}

}  // namespace

const Family& gpt2_family() {
  static constexpr Family kFamily{
      .name = "gpt2",
      .hf_architecture = "GPT2LMHeadModel",
      .hf_model_type = "gpt2",
      .gguf_architecture = "gpt2",
      .read_config = read_config,
      .tensor_names = tensor_names,
  };
  return kFamily;
}

}  // namespace millrace::models
