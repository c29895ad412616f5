// A family of causal language models: how its files describe a decoder and name its tensors.
// Everything else is shared (decoder.cc). Each family is one file that defines one of these.
#pragma once

#include "models/decoder_config.h"
#include "models/decoder_weights.h"
#include "models/registry.h"

namespace millrace::models {

struct Family {
  const char* name;
  const char* hf_architecture;    // config.json: architectures[0]
  const char* hf_model_type;      // config.json: model_type, where architectures is absent
  const char* gguf_architecture;  // general.architecture; null: another family's GGUF serves it
  // The config is checked by the caller (check_decoder_config).
  Result<DecoderConfig> (*read_config)(const ModelFiles& files);
  TensorNames (*tensor_names)(const ModelFiles& files);
};

const Family& gpt2_family();
const Family& llama_family();
const Family& mistral_family();
const Family& qwen2_family();
const Family& qwen3_family();

inline bool is_gguf(const ModelFiles& files) {
  return files.config.empty();
}

}  // namespace millrace::models
