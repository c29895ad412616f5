// A decoder as data: everything that differs between families of causal language models. A family
// file (models/<family>.cc) fills it from config.json or GGUF metadata; models/decoder.cc runs it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::models {

enum class NormKind : std::uint8_t { rms, layer };
enum class PositionKind : std::uint8_t { rope, learned };
enum class Activation : std::uint8_t { silu, gelu_tanh, gelu_erf, relu };

// Frequency scaling of RoPE (config.json's rope_scaling).
enum class RopeScaling : std::uint8_t { none, linear, llama3, yarn };

struct RopeConfig {
  double theta = 10000.0;
  int rotary_dim = 0;        // 0: head_dim
  bool interleaved = false;  // pairs (2i, 2i+1); GGUF llama weights are permuted for this
  RopeScaling scaling = RopeScaling::none;
  double factor = 1.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;  // llama3
  int original_max_position = 0;                         // llama3, yarn
  double beta_fast = 32.0, beta_slow = 1.0;              // yarn
  double attention_factor = 0.0;         // yarn: cos and sin times this; 0: 0.1 ln(factor) + 1
  std::vector<float> frequency_factors;  // GGUF rope_freqs.weight, or empty
};

struct DecoderConfig {
  std::string family;
  int num_layers = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;
  int vocab_size = 0;
  int max_position = 0;  // the longest context: the model's own, or the loader's lower limit
  NormKind norm = NormKind::rms;
  float norm_eps = 1e-5f;
  float norm_weight_offset = 0.0f;
  PositionKind position = PositionKind::rope;
  RopeConfig rope;
  Activation activation = Activation::silu;
  bool gated_mlp = true;
  bool qk_norm = false;  // RMSNorm of q and k per head before RoPE (Qwen3)
  bool qkv_bias = false, output_bias = false, mlp_bias = false;
  bool tied_embeddings = false;
  float embedding_scale = 1.0f;
  float attention_scale = 0.0f;  // 0: 1/sqrt(head_dim)
  float attention_soft_cap = 0.0f;
  float logit_soft_cap = 0.0f;
  int sliding_window = 0;
  std::vector<std::int32_t> eos_token_ids;
  std::int32_t bos_token_id = -1;
};

// What a model file may say and still be served. Everything that forward() relies on: divisibility,
// ranges, finite numbers. The message names the field in this struct's spelling.
Status check_decoder_config(const DecoderConfig& config);

inline constexpr int kMaxContext = 1 << 20;  // a longer context in a file is cut to this

}  // namespace millrace::models
