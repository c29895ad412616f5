#include "backends/native/gguf_text.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

namespace millrace::backends {
namespace {

constexpr std::int32_t kControl = 3;
constexpr std::int32_t kUserDefined = 4;

template <class T>
const std::vector<T>* meta_array(const weights::WeightFile& file, std::string_view key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? nullptr : std::get_if<std::vector<T>>(&found->second);
}

std::string text_or_empty(const weights::WeightFile& file, std::string_view key) {
  const std::string* text = weights::meta_string(file, key);
  return text ? *text : std::string();
}

TokenId token_id(const weights::WeightFile& file, std::string_view key, std::size_t vocab_size) {
  const auto id = weights::meta_int(file, key);
  const bool valid = id && *id >= 0 && static_cast<std::uint64_t>(*id) < vocab_size;
  return valid ? static_cast<TokenId>(*id) : -1;
}

}  // namespace

void read_gguf_text(const weights::WeightFile& file, TextAssets& out) {
  out.chat_template = text_or_empty(file, "tokenizer.chat_template");
  const auto* tokens = weights::meta_strings(file, "tokenizer.ggml.tokens");
  if (!tokens) return;
  out.gguf_kind = text_or_empty(file, "tokenizer.ggml.model");
  out.gguf_pre = text_or_empty(file, "tokenizer.ggml.pre");
  out.tokens = *tokens;
  const std::size_t vocab_size = tokens->size();
  if (const auto* scores = meta_array<double>(file, "tokenizer.ggml.scores")) {
    out.scores.reserve(vocab_size);
    for (const double score : *scores) out.scores.push_back(static_cast<float>(score));
  }
  if (const auto* types = meta_array<std::int64_t>(file, "tokenizer.ggml.token_type")) {
    out.token_types.reserve(vocab_size);
    for (const std::int64_t type : *types) {
      out.token_types.push_back(type >= 1 && type <= 6 ? static_cast<std::int32_t>(type) : 1);
    }
  }
  if (const auto* merges = weights::meta_strings(file, "tokenizer.ggml.merges")) {
    out.merges = *merges;
  }
  out.bos_token = token_id(file, "tokenizer.ggml.bos_token_id", vocab_size);
  out.eos_token = token_id(file, "tokenizer.ggml.eos_token_id", vocab_size);
  out.unknown_token = token_id(file, "tokenizer.ggml.unknown_token_id", vocab_size);
  out.add_bos = weights::meta_bool(file, "tokenizer.ggml.add_bos_token");
  out.add_eos = weights::meta_bool(file, "tokenizer.ggml.add_eos_token");
  const bool sentencepiece = out.gguf_kind == "llama";
  out.add_space_prefix =
      weights::meta_bool(file, "tokenizer.ggml.add_space_prefix").value_or(sentencepiece);
}

std::vector<TokenId> gguf_end_of_turn_ids(const TextAssets& text) {
  static constexpr std::array<std::string_view, 7> kNames{
      "<|im_end|>", "<|eot_id|>", "<|eom_id|>",    "<end_of_turn>",
      "<|end|>",    "<|return|>", "<|endoftext|>",
  };
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < text.token_types.size() && i < text.tokens.size(); ++i) {
    const std::int32_t type = text.token_types[i];
    if (type != kControl && type != kUserDefined) continue;
    if (std::ranges::find(kNames, text.tokens[i]) != kNames.end()) {
      ids.push_back(static_cast<TokenId>(i));
    }
  }
  return ids;
}

}  // namespace millrace::backends
