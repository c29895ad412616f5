#include "serving/sampling_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace millrace::serving {
namespace {

constexpr float kForbidden = -1000;  // the engine's limit, far below any logit

Status check_id(TokenId id, int vocab_size, const char* param) {
  if (id >= 0 && id < vocab_size) return {};
  return invalid(fmt::format("'{}' holds token id {}, but the vocabulary is 0 to {}.", param, id,
                             vocab_size - 1),
                 param, "value_out_of_range");
}

// Tokens that each of n equal sequences may take when all are in the cache together; 0: unknown.
std::int64_t tokens_a_sequence(const Model& model, int n) {
  const int block_tokens = model.description().kv_block_tokens;
  if (block_tokens <= 0) return 0;
  const std::int64_t blocks = model.generator()->stats().num_blocks;
  return blocks / n * block_tokens;
}

}  // namespace

Status check_token_ids(const TextOptions& options) {
  const int vocab_size = options.model->description().vocab_size;
  const SamplingParams& sampling = options.sampling;
  for (const auto& [id, bias] : sampling.logit_bias) {
    if (auto ok = check_id(id, vocab_size, "logit_bias"); !ok) return ok;
  }
  for (const TokenId id : sampling.allowed_token_ids) {
    if (auto ok = check_id(id, vocab_size, "allowed_token_ids"); !ok) return ok;
  }
  for (const TokenId id : sampling.stop_token_ids) {
    if (auto ok = check_id(id, vocab_size, "stop_token_ids"); !ok) return ok;
  }
  return {};
}

Status apply_bad_words(TextOptions& options) {
  const text::Tokenizer& tokenizer = options.model->text()->tokenizer();
  for (const std::string& word : options.bad_words) {
    // A word within a text usually comes with its space.
    for (const std::string& form : {word, " " + word}) {
      const auto ids = tokenizer.encode(form, {.add_special_tokens = false});
      if (ids.size() == 1) {
        options.sampling.logit_bias.emplace_back(ids[0], kForbidden);
      } else if (form == word) {
        return invalid("'bad_words' may only hold words that are a single token of this model.",
                       "bad_words", "unsupported_value");
      }
    }
  }
  return {};
}

Status resolve_max_tokens(TextOptions& options, int num_prompt_tokens, const char* prompt_param) {
  const int context = options.model->description().max_model_len;
  const int room = context - num_prompt_tokens;
  if (room < 1) {
    return invalid(
        fmt::format("This model's maximum context length is {} tokens, but the prompt has "
                    "{} and needs room for an answer.",
                    context, num_prompt_tokens),
        prompt_param, "context_length_exceeded");
  }
  const std::int64_t each = tokens_a_sequence(*options.model, options.n);
  const std::int64_t cache_room = each > 0 ? each - num_prompt_tokens : room;
  int max_tokens = 0;
  if (options.max_tokens) {
    max_tokens = *options.max_tokens;
    if (max_tokens > room) {
      return invalid(
          fmt::format(
              "This model's maximum context length is {} tokens, but you asked for {}: {} in "
              "the prompt and {} in the answer.",
              context, std::int64_t{num_prompt_tokens} + max_tokens, num_prompt_tokens, max_tokens),
          options.max_tokens_field, "context_length_exceeded");
    }
  } else {
    max_tokens = static_cast<int>(std::min<std::int64_t>(
        {options.default_max_tokens, room, std::max<std::int64_t>(1, cache_room)}));
  }
  if (max_tokens > cache_room) {
    return invalid(fmt::format("{} sequence(s) of {} tokens do not fit the KV cache.", options.n,
                               std::int64_t{num_prompt_tokens} + max_tokens),
                   options.n > 1 ? "n" : options.max_tokens_field, "request_too_large");
  }
  if (options.sampling.min_tokens > max_tokens) {
    return invalid(fmt::format("'min_tokens' is {}, above the maximum of {} tokens to generate.",
                               options.sampling.min_tokens, max_tokens),
                   "min_tokens", "value_out_of_range");
  }
  options.sampling.max_tokens = max_tokens;
  return {};
}

}  // namespace millrace::serving
