// Sampler: one sequence's way from logits to its next token. Order, as in vLLM: log-probabilities
// of the raw logits; then allowed ids, bias, minimum length, penalties; then temperature, min-p,
// top-k, top-p, each relative to what the one before left. Selection never sorts the vocabulary.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/logits_scan.h"
#include "engine/step_runner.h"
#include "kernels/kernels.h"
#include "servable/requests.h"

namespace millrace::engine {

// One a thread; grows to the vocabulary once.
struct SamplerScratch {
  std::vector<Candidate> candidates;
  std::vector<double> weights;
  std::vector<Candidate> overwritten;  // raw logits under modified ones, in order of change
  void reserve(int vocab_size);
};

class Sampler {
 public:
  // `sampling` and `eos_tokens` must outlive this. `fallback_seed` is used where the request named
  // none.
  Sampler(std::span<const TokenId> prompt, const SamplingParams& sampling,
          std::span<const TokenId> eos_tokens, std::uint64_t fallback_seed);

  // Draws the next token, counts it and fills `out`. `logits` [vocab] is modified; `stats` are of
  // the raw row. Fails (out.failed) when they are not finite.
  void sample(std::span<float> logits, const kernels::RowStats& stats, SamplerScratch& scratch,
              SampledToken& out);

 private:
  struct TokenCount {
    TokenId token;
    int num_output;  // 0: in the prompt only
  };
  bool has_penalties() const;
  void count(TokenId token, int by);
  bool modify(std::span<float> logits, std::vector<Candidate>& overwritten) const;
  TokenId choose(std::span<const float> logits, const kernels::RowStats& stats, bool modified,
                 SamplerScratch& scratch) const;
  TokenId choose_from_all(std::span<const float> logits, float max, SamplerScratch& scratch) const;
  TokenId choose_from_candidates(SamplerScratch& scratch, double total_weight) const;
  void gather_nucleus(std::span<const float> logits, float max, double total_weight,
                      SamplerScratch& scratch) const;

  const SamplingParams& sampling_;
  std::vector<TokenId> allowed_tokens_;  // sorted, without repeats; empty: all
  std::vector<TokenId> stop_tokens_;     // end of sequence and stop ids, as min_tokens masks them
  std::uint64_t seed_;
  int num_sampled_ = 0;
  std::vector<TokenCount> counts_;  // sorted by token; only kept when penalties need it
};

// The n most likely of a raw row, most likely first.
void top_logprobs(std::span<const float> logits, float log_sum_exp, int n,
                  std::vector<Candidate>& scratch, std::vector<TokenLogprob>& out);
// A prompt token's entry: itself, then the n most likely.
std::vector<TokenLogprob> prompt_logprobs(std::span<const float> logits, float log_sum_exp,
                                          TokenId token, int n, std::vector<Candidate>& scratch);

}  // namespace millrace::engine
