// Qwen3 (dense): RMSNorm of q and k per head, no biases. In GGUF q and k are not permuted.
#include "models/rms_rope_config.h"

namespace millrace::models {
namespace {

Result<DecoderConfig> read_config(const ModelFiles& files) {
  if (is_gguf(files)) {
    ConfigFields fields(files.weights, "qwen3.");
    DecoderConfig config = read_gguf_rms_rope(files.weights, fields);
    config.qk_norm = true;
    if (!fields.status()) return std::unexpected(fields.status().error());
    return config;
  }
  ConfigFields fields(files.config);
  DecoderConfig config = read_hf_rms_rope(fields);
  config.qk_norm = true;
  config.qkv_bias = config.output_bias = fields.flag("attention_bias", false);
  read_qwen_window(fields, config);
  if (!fields.status()) return std::unexpected(fields.status().error());
  return config;
}

}  // namespace

const Family& qwen3_family() {
  static constexpr Family kFamily{
      .name = "qwen3",
      .hf_architecture = "Qwen3ForCausalLM",
      .hf_model_type = "qwen3",
      .gguf_architecture = "qwen3",
      .read_config = read_config,
      .tensor_names = rms_rope_tensor_names,
  };
  return kFamily;
}

}  // namespace millrace::models
