#include "weights/gguf_checks.h"

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "weights/file_errors.h"

namespace millrace::weights {
namespace {

constexpr std::int64_t kAbsentToken = 0xffffffff;  // -1 in the u32 that many writers use

std::size_t array_length(const MetaValue& value) {
  if (const auto* numbers = std::get_if<std::vector<double>>(&value)) return numbers->size();
  if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&value)) return numbers->size();
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) return texts->size();
  return 0;
}

Status check_vocabulary(const WeightFile& file) {
  const auto* tokens = meta_strings(file, "tokenizer.ggml.tokens");
  if (!tokens) return {};
  const auto num_tokens = static_cast<std::int64_t>(tokens->size());
  for (const std::string_view key : {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) continue;
    if (array_length(found->second) != tokens->size()) {
      return bad_file(std::string(key) + " has another length than tokenizer.ggml.tokens");
    }
  }
  for (const auto& [key, value] : file.metadata()) {
    if (!key.starts_with("tokenizer.ggml.") || !key.ends_with("_token_id")) continue;
    const auto id = meta_int(file, key);
    if (!id) return bad_file(key + " is not an integer");
    if (*id != -1 && *id != kAbsentToken && (*id < 0 || *id >= num_tokens)) {
      return bad_file(key + " " + std::to_string(*id) + " is outside the vocabulary of " +
                      std::to_string(num_tokens));
    }
  }
  if (const auto* embedding = file.find("token_embd.weight");
      embedding && (embedding->shape.rank() != 2 || embedding->shape[0] != num_tokens)) {
    return bad_file("tensor \"token_embd.weight\" does not have one row for each of the " +
                    std::to_string(num_tokens) + " tokens");
  }
  return {};
}

Status check_sizes(const WeightFile& file, const std::string& family) {
  constexpr std::array<std::string_view, 5> kPositive = {".context_length", ".embedding_length",
                                                         ".block_count", ".attention.head_count",
                                                         ".vocab_size"};
  for (const std::string_view suffix : kPositive) {
    const std::string key = family + std::string(suffix);
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end() || array_length(found->second) > 0) continue;
    const auto size = meta_int(file, key);
    if (!size || *size <= 0 || *size > std::numeric_limits<std::int32_t>::max()) {
      return bad_file(key + " is not an integer between 1 and 2^31 - 1");
    }
  }
  const auto width = meta_int(file, family + ".embedding_length");
  const auto heads = meta_int(file, family + ".attention.head_count");
  if (width && heads && *width % *heads != 0 && !meta_int(file, family + ".attention.key_length")) {
    return bad_file(family + ".embedding_length is not a multiple of " + family +
                    ".attention.head_count");
  }
  const auto vocab_size = meta_int(file, family + ".vocab_size");
  const auto* tokens = meta_strings(file, "tokenizer.ggml.tokens");
  if (vocab_size && tokens && *vocab_size != static_cast<std::int64_t>(tokens->size())) {
    return bad_file(family + ".vocab_size is not the length of tokenizer.ggml.tokens");
  }
  return {};
}

}  // namespace

Status check_gguf_fields(const WeightFile& file) {
  if (auto vocabulary = check_vocabulary(file); !vocabulary) return vocabulary;
  if (const auto* family = meta_string(file, "general.architecture")) {
    return check_sizes(file, *family);
  }
  return {};
}

}  // namespace millrace::weights
