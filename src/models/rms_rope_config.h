// The shape that llama, mistral and the qwens share: RMSNorm, RoPE, grouped queries, gated SiLU
// MLP, no biases unless the family adds them.
#pragma once

#include "models/config_fields.h"
#include "models/families.h"

namespace millrace::models {

// From config.json. Failures stick to `fields`; the family adds what is its own.
DecoderConfig read_hf_rms_rope(ConfigFields& fields);
// From GGUF metadata below fields' prefix.
DecoderConfig read_gguf_rms_rope(const weights::WeightFile& file, ConfigFields& fields);
// use_sliding_window, sliding_window, max_window_layers of the qwens; all layers or none.
void read_qwen_window(ConfigFields& fields, DecoderConfig& config);

TensorNames rms_rope_tensor_names(const ModelFiles& files);

}  // namespace millrace::models
