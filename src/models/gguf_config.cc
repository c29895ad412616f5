#include "models/gguf_config.h"

#include <fmt/format.h>

#include <cstring>

namespace millrace::models {
namespace {

constexpr int kMaxVocab = 1 << 22;

// Converters of some families write the embedding twice; such a file is tied all the same.
bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::memcmp(a.data, b.data, a.num_bytes()) == 0;
}

int read_vocab_size(const weights::WeightFile& file, ConfigFields& fields) {
  const TensorView* embedding = file.find("token_embd.weight");
  if (!embedding || embedding->shape.rank() != 2) {
    fields.fail_field("vocab_size", "cannot be told: tensor token_embd.weight is missing or flat");
    return 1;
  }
  const std::int64_t rows = embedding->shape[0];
  if (rows < 1 || rows > kMaxVocab) {
    fields.fail_field("vocab_size", fmt::format("is {}, expected 1 to {}", rows, kMaxVocab));
    return 1;
  }
  const int vocab = static_cast<int>(rows);
  const int stated = fields.integer("vocab_size", 1, kMaxVocab, vocab);
  if (stated != vocab) {
    fields.fail_field("vocab_size",
                      fmt::format("is {}, but token_embd.weight has {} rows", stated, vocab));
  }
  const auto* tokens = weights::meta_strings(file, "tokenizer.ggml.tokens");
  if (tokens && tokens->size() != static_cast<std::size_t>(vocab)) {
    fields.fail_field("vocab_size", fmt::format("is {}, but tokenizer.ggml.tokens has {} entries",
                                                vocab, tokens->size()));
  }
  return vocab;
}

std::int32_t token_id(const weights::WeightFile& file, const char* key) {
  const std::optional<std::int64_t> id = weights::meta_int(file, key);
  return id && *id >= 0 && *id < kMaxVocab ? static_cast<std::int32_t>(*id) : -1;
}

}  // namespace

DecoderConfig read_gguf_sizes(const weights::WeightFile& file, ConfigFields& fields) {
  DecoderConfig config;
  config.num_layers = fields.integer("block_count", 1, 1024);
  config.hidden_size = fields.integer("embedding_length", 1, 1 << 17);
  config.intermediate_size = fields.integer("feed_forward_length", 1, 1 << 20);
  config.num_heads = fields.integer("attention.head_count", 1, 1024);
  config.num_kv_heads =
      fields.integer("attention.head_count_kv", 1, config.num_heads, config.num_heads);
  config.max_position = fields.integer_up_to("context_length", 1, kMaxContext);
  if (fields.has("attention.key_length")) {
    config.head_dim = fields.integer("attention.key_length", 1, 1024);
    if (fields.integer("attention.value_length", 1, 1024, config.head_dim) != config.head_dim) {
      fields.fail_field("attention.value_length",
                        "differs from key_length, which is not supported");
    }
  } else {
    config.head_dim = config.hidden_size / config.num_heads;
    if (config.head_dim * config.num_heads != config.hidden_size) {
      fields.fail_field("embedding_length", fmt::format("({}) is not a multiple of head_count ({})",
                                                        config.hidden_size, config.num_heads));
    }
  }
  if (fields.integer("expert_count", 0, 1 << 16, 0) > 0) {
    fields.fail_field("expert_count", "is above 0: mixtures of experts are not supported");
  }
  config.vocab_size = read_vocab_size(file, fields);
  const TensorView* head = file.find("output.weight");
  const TensorView* embedding = file.find("token_embd.weight");
  config.tied_embeddings = !head || (embedding && same_bytes(*head, *embedding));
  config.bos_token_id = token_id(file, "tokenizer.ggml.bos_token_id");
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"}) {
    if (const std::int32_t id = token_id(file, key); id >= 0) config.eos_token_ids.push_back(id);
  }
  return config;
}

TensorNames gguf_tensor_names() {
  TensorNames names;
  names.embedding = "token_embd";
  names.positions = "position_embd";
  names.final_norm = "output_norm";
  names.lm_head = "output";
  names.attention_norm = "blk.{}.attn_norm";
  names.q = "blk.{}.attn_q";
  names.k = "blk.{}.attn_k";
  names.v = "blk.{}.attn_v";
  names.q_norm = "blk.{}.attn_q_norm";
  names.k_norm = "blk.{}.attn_k_norm";
  names.output = "blk.{}.attn_output";
  names.mlp_norm = "blk.{}.ffn_norm";
  names.gate = "blk.{}.ffn_gate";
  names.up = "blk.{}.ffn_up";
  names.down = "blk.{}.ffn_down";
  return names;
}

}  // namespace millrace::models
