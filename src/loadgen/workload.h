// Workload: what each request says. Request i is the same for a seed whatever the order or timing
// in which requests are sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "loadgen/lengths.h"
#include "loadgen/prompts.h"

namespace millrace::loadgen {

enum class Api : std::uint8_t { chat, completions };

struct WorkloadOptions {
  std::string model{};
  Api api = Api::completions;
  LengthDistribution prompt = LengthDistribution::fixed(128);
  LengthDistribution output = LengthDistribution::fixed(64);
  std::uint64_t seed = 1;
  // Requests fall into `prefix_groups` groups at random; those of a group begin with the same
  // `prefix_tokens` tokens, to which the prompt's own are added.
  int prefix_tokens = 0;
  int prefix_groups = 1;
  // completions only: prompts are lists of random ids below this instead of text; 0: text.
  int token_id_limit = 0;
  double temperature = 0;
  bool ignore_eos = true;  // a field of vLLM, llama.cpp, SGLang, Millrace: outputs have full length
  bool want_usage = true;  // stream_options.include_usage
  json::object extra{};    // further fields of every body; they win
};

struct RequestPlan {
  std::string body;
  int prompt_tokens = 0;  // by the measured sums
  int max_tokens = 0;
};

class Workload {
 public:
  // `maker` is needed unless prompts are token ids.
  Workload(WorkloadOptions options, std::optional<PromptMaker> maker);

  RequestPlan request(std::uint64_t index) const;  // thread-safe
  // A request of this kind with `prompt` and one token to make, not streamed: for counting.
  std::string counting_body(const std::string& prompt) const;
  const char* path() const;  // "/v1/chat/completions"
  const WorkloadOptions& options() const { return options_; }

 private:
  std::string ids_text(int tokens, Random& random, Random& prefix) const;
  std::string body(const std::string& prompt_json, int max_tokens, bool stream) const;

  WorkloadOptions options_;
  std::optional<PromptMaker> maker_;
  std::string head_;  // `{"model":"…",…,"prompt":`
  std::string tail_;  // further fields, each behind a comma
};

}  // namespace millrace::loadgen
