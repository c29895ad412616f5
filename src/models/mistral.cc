// Mistral 7B and alike: Llama with a sliding window. Its GGUF files say "llama".
#include "models/rms_rope_config.h"

namespace millrace::models {
namespace {

Result<DecoderConfig> read_config(const ModelFiles& files) {
  ConfigFields fields(files.config);
  DecoderConfig config = read_hf_rms_rope(fields);
  config.sliding_window = fields.integer_up_to("sliding_window", 0, kMaxContext, 0);
  if (!fields.status()) return std::unexpected(fields.status().error());
  return config;
}

}  // namespace

const Family& mistral_family() {
  static constexpr Family kFamily{
      .name = "mistral",
      .hf_architecture = "MistralForCausalLM",
      .hf_model_type = "mistral",
      .gguf_architecture = nullptr,
      .read_config = read_config,
      .tensor_names = rms_rope_tensor_names,
  };
  return kFamily;
}

}  // namespace millrace::models
