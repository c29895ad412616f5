// Qwen2 and Qwen2.5: biases on q, k and v only. In GGUF q and k are not permuted.
#include "models/rms_rope_config.h"

namespace millrace::models {
namespace {

Result<DecoderConfig> read_config(const ModelFiles& files) {
  if (is_gguf(files)) {
    ConfigFields fields(files.weights, "qwen2.");
    DecoderConfig config = read_gguf_rms_rope(files.weights, fields);
    if (!fields.status()) return std::unexpected(fields.status().error());
    return config;
  }
  ConfigFields fields(files.config);
  DecoderConfig config = read_hf_rms_rope(fields);
  config.qkv_bias = true;
  read_qwen_window(fields, config);
  if (!fields.status()) return std::unexpected(fields.status().error());
  return config;
}

}  // namespace

const Family& qwen2_family() {
  static constexpr Family kFamily{
      .name = "qwen2",
      .hf_architecture = "Qwen2ForCausalLM",
      .hf_model_type = "qwen2",
      .gguf_architecture = "qwen2",
      .read_config = read_config,
      .tensor_names = rms_rope_tensor_names,
  };
  return kFamily;
}

}  // namespace millrace::models
