// Plain requests and answers of the contract. Token ids, numbers and times; no text, no JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/trace.h"

namespace millrace {

using TokenId = std::int32_t;

// Fields and defaults follow the OpenAI and vLLM APIs. Ranges are checked at the door
// (api/openai/schema).
struct SamplingParams {
  int max_tokens = 16;
  int min_tokens = 0;        // no end-of-sequence or stop token before this many
  float temperature = 1.0f;  // 0: greedy
  int top_k = 0;             // 0: off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;  // over prompt and output, divides or multiplies logits (CTRL)
  float presence_penalty = 0.0f;    // over output only (OpenAI)
  float frequency_penalty = 0.0f;
  std::vector<std::pair<TokenId, float>> logit_bias;
  std::vector<TokenId> allowed_token_ids;  // empty: all
  std::vector<TokenId> stop_token_ids;
  bool ignore_eos = false;
  std::optional<std::uint64_t> seed;  // the same seed, prompt and settings give the same tokens
  int num_logprobs = -1;              // -1: none; 0: the chosen token's; n: and the n most likely
  int num_prompt_logprobs = -1;       // the same for prompt tokens (the first has none)
};

struct GenerateRequest {
  std::string id;
  std::string tenant;           // fairness and prefix-cache isolation
  std::string cache_salt;       // further splits the prefix cache
  std::vector<TokenId> prompt;  // at least one token
  SamplingParams sampling;
  int priority = 0;                  // lower is sooner
  TimePoint arrival = Clock::now();  // at the socket: TTFT counts from here
  TimePoint deadline = kNever;       // of the whole request
  double slo_ttft_seconds = 0;       // 0: none
  double slo_tpot_seconds = 0;
  TraceHandle trace{};
};

enum class FinishReason : std::uint8_t { none, stop, length, cancelled, error };

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // of the model's distribution before temperature and truncation
  int rank = 0;       // 0: the most likely
};

struct TokenUsage {
  int num_prompt_tokens = 0;
  int num_cached_tokens = 0;  // of the prompt, found in the prefix cache
  int num_completion_tokens = 0;
};

// One generated token, or the end. The last event has finish != none; it carries a token too unless
// the end came without one (cancelled, error). A token that ended the sequence (EOS, stop id) is
// carried with `is_stop_token` so that text services can drop it.
struct TokenEvent {
  TokenId token = -1;
  bool is_stop_token = false;
  FinishReason finish = FinishReason::none;
  float logprob = 0;                       // valid when num_logprobs >= 0
  std::vector<TokenLogprob> top_logprobs;  // most likely first
  // First event only, when asked for: entry i belongs to prompt token i (entry 0 empty); in each,
  // the prompt token itself first, then the most likely.
  std::vector<std::vector<TokenLogprob>> prompt_logprobs;
  TokenUsage usage;
  Error error;  // when finish == error
};

struct GeneratorStats {
  int num_running = 0;
  int num_waiting = 0;
  int num_blocks = 0;
  int num_free_blocks = 0;  // unused
  int num_cached_blocks =
      0;  // unreferenced but holding reusable prefixes; free + cached == all when idle
  std::uint64_t num_steps = 0;
  double last_step_age_seconds = 0;  // since the engine last finished a step or found nothing to do
};

// Sequences end to end: sequence i is tokens[offsets[i], offsets[i+1]).
struct EmbedBatch {
  std::vector<TokenId> tokens;
  std::vector<std::int64_t> offsets;
};
struct EmbedResult {
  int width = 0;
  std::vector<float> vectors;  // [sequences, width]
};

}  // namespace millrace
