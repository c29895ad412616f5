// RoPE as model files describe it.
#pragma once

#include "models/config_fields.h"
#include "models/decoder_config.h"

namespace millrace::models {

// config.json: rope_theta with rope_scaling, or rope_parameters (transformers 5). Failures stick to
// `fields`.
RopeConfig read_hf_rope(ConfigFields& fields, int head_dim, int max_position);

// GGUF: <arch>.rope.*, and the tensor rope_freqs.weight.
RopeConfig read_gguf_rope(const weights::WeightFile& file, ConfigFields& fields, int head_dim,
                          int max_position);

}  // namespace millrace::models
