// Cosines and sines of rotary position embeddings for every position a model may see.
// Memory: 2 * num_positions * (rotary_dim / 2) * 4 bytes: 2 MiB for 8k positions of 64 dimensions,
// 32 MiB for 128k. Tables are made once at load, for the loader's limit of the context.
// Sources: RoFormer (arXiv 2104.09864), YaRN (arXiv 2309.00071), Llama 3.1's scaling.
#pragma once

#include <vector>

#include "models/decoder_config.h"
#include "tensor/buffer.h"

namespace millrace::models {

struct RopeTables {
  int num_positions = 0;
  int half_dim = 0;  // rotary_dim / 2
  Buffer cosine;     // [num_positions, half_dim] f32
  Buffer sine;
};

// Radians a position, after scaling: [rotary_dim / 2].
std::vector<float> rope_frequencies(const RopeConfig& rope, int head_dim);

// `rope` has passed check_decoder_config.
RopeTables make_rope_tables(const RopeConfig& rope, int head_dim, int num_positions);

}  // namespace millrace::models
