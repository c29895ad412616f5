// What every GGUF file says alike, whatever the family.
#pragma once

#include "models/config_fields.h"
#include "models/decoder_config.h"
#include "models/decoder_weights.h"

namespace millrace::models {

// Sizes, vocabulary, tied embeddings and token ids. `fields` reads below the architecture's prefix;
// failures stick to it.
DecoderConfig read_gguf_sizes(const weights::WeightFile& file, ConfigFields& fields);

// GGUF's names for the tensors of a decoder with separate q, k, v and an optional gate.
TensorNames gguf_tensor_names();

}  // namespace millrace::models
