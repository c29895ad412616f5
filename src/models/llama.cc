// Llama 1 to 3 and everything that copies it (SmolLM2, TinyLlama, …).
#include "models/rms_rope_config.h"

namespace millrace::models {
namespace {

Result<DecoderConfig> read_config(const ModelFiles& files) {
  if (is_gguf(files)) {
    ConfigFields fields(files.weights, "llama.");
    DecoderConfig config = read_gguf_rms_rope(files.weights, fields);
    config.rope.interleaved = true;  // GGUF permutes the rows of q and k for it
    if (!fields.status()) return std::unexpected(fields.status().error());
    return config;
  }
  ConfigFields fields(files.config);
  DecoderConfig config = read_hf_rms_rope(fields);
  config.qkv_bias = config.output_bias = fields.flag("attention_bias", false);
  config.mlp_bias = fields.flag("mlp_bias", false);
  if (!fields.status()) return std::unexpected(fields.status().error());
  return config;
}

}  // namespace

const Family& llama_family() {
  static constexpr Family kFamily{
      .name = "llama",
      .hf_architecture = "LlamaForCausalLM",
      .hf_model_type = "llama",
      .gguf_architecture = "llama",
      .read_config = read_config,
      .tensor_names = rms_rope_tensor_names,
  };
  return kFamily;
}

}  // namespace millrace::models
