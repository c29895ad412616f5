#include "engine/request_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace millrace::engine {

namespace {

bool within(float value, float low, float high) {
  return value >= low && value <= high;
}

Status check_token(TokenId token, const EngineConfig& config, const char* param) {
  if (token >= 0 && token < config.vocab_size) return {};
  return invalid(
      fmt::format("token id {} is outside the vocabulary of {}", token, config.vocab_size), param);
}

Status check_lengths(const GenerateRequest& request, const EngineConfig& config) {
  const auto num_prompt = static_cast<std::int64_t>(request.prompt.size());
  const std::int64_t num_new = request.sampling.max_tokens;
  if (num_prompt == 0) return invalid("the prompt must have at least one token", "prompt");
  if (num_new < 1) return invalid("max_tokens must be at least 1", "max_tokens");
  if (num_prompt + num_new > config.max_model_len)
    return invalid(fmt::format("This model's maximum context length is {} tokens. However, you "
                               "requested {} tokens ({} in the prompt, {} in the completion).",
                               config.max_model_len, num_prompt + num_new, num_prompt, num_new),
                   "prompt", "context_length_exceeded");
  const std::int64_t capacity = std::int64_t{config.num_blocks} * config.block_tokens;
  if (num_prompt + num_new > capacity)
    return invalid(fmt::format("the request needs room for {} tokens; the KV cache holds {}",
                               num_prompt + num_new, capacity),
                   "prompt", "request_too_large");
  return {};
}

Status check_numbers(const SamplingParams& s, const EngineConfig& config) {
  if (s.min_tokens < 0 || s.min_tokens > s.max_tokens)
    return invalid("min_tokens must be between 0 and max_tokens", "min_tokens");
  if (!within(s.temperature, 0.0f, 100.0f))
    return invalid("temperature out of range", "temperature");
  if (s.top_k < 0) return invalid("top_k must not be negative", "top_k");
  if (!(s.top_p > 0.0f && s.top_p <= 1.0f)) return invalid("top_p must be in (0, 1]", "top_p");
  if (!within(s.min_p, 0.0f, 1.0f)) return invalid("min_p must be in [0, 1]", "min_p");
  if (!(s.repetition_penalty > 0.0f && s.repetition_penalty <= 100.0f))
    return invalid("repetition_penalty must be in (0, 100]", "repetition_penalty");
  if (!within(s.presence_penalty, -100.0f, 100.0f))
    return invalid("presence_penalty out of range", "presence_penalty");
  if (!within(s.frequency_penalty, -100.0f, 100.0f))
    return invalid("frequency_penalty out of range", "frequency_penalty");
  if (s.num_logprobs > config.max_logprobs)
    return invalid(fmt::format("at most {} log-probabilities a token", config.max_logprobs),
                   "top_logprobs");
  if (s.num_prompt_logprobs > config.max_logprobs)
    return invalid(fmt::format("at most {} log-probabilities a token", config.max_logprobs),
                   "prompt_logprobs");
  return {};
}

}  // namespace

Status check_request(const GenerateRequest& request, const EngineConfig& config) {
  const SamplingParams& sampling = request.sampling;
  if (Status s = check_lengths(request, config); !s) return s;
  if (Status s = check_numbers(sampling, config); !s) return s;
  for (const TokenId token : request.prompt)
    if (Status s = check_token(token, config, "prompt"); !s) return s;
  for (const TokenId token : sampling.allowed_token_ids)
    if (Status s = check_token(token, config, "allowed_token_ids"); !s) return s;
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (Status s = check_token(token, config, "logit_bias"); !s) return s;
    if (!within(bias, -1000.0f, 1000.0f)) return invalid("logit_bias out of range", "logit_bias");
  }
  return {};
}

}  // namespace millrace::engine
