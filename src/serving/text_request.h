// Plain text requests: what a dialect makes of its wire format and serving answers.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "servable/requests.h"
#include "serving/model_store.h"
#include "serving/text_model.h"

namespace millrace::serving {

struct TextOptions {
  ModelHandle model{};  // set; sampling starts from its defaults
  std::string id{};
  std::string tenant{};
  std::string cache_salt{};
  SamplingParams sampling{};  // its max_tokens is set by the service from the next two
  std::optional<int> max_tokens{};
  int default_max_tokens = 4096;  // where max_tokens is empty, or less if it does not fit
  const char* max_tokens_field = "max_tokens";  // as the client spelt it, for errors
  std::vector<std::string> stop{};              // stop strings
  bool include_stop = false;                    // the stop string or token is part of the output
  bool skip_special_tokens = true;
  bool add_special_tokens = true;        // prompts given as text get BOS where the model has one
  std::vector<std::string> bad_words{};  // single tokens only
  std::optional<int> truncate_prompt_tokens{};  // keep the last so many
  bool want_tokens = false;  // deltas carry ids, and log-probabilities if sampled
  int n = 1;                 // choices for each prompt
  int priority = 0;
  TimePoint arrival = Clock::now();
  TimePoint deadline = kNever;
  double slo_ttft_seconds = 0;
  double slo_tpot_seconds = 0;
  TraceHandle trace{};
};

struct ChatRequest {
  TextOptions options;
  ChatPrompt prompt{};
};

struct CompletionRequest {
  TextOptions options;
  std::vector<std::variant<std::string, std::vector<TokenId>>> prompts{};
  bool echo = false;  // the output starts with the prompt
};

}  // namespace millrace::serving
