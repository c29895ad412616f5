// SimRunner: a device made of arithmetic. Steps take a known time; tokens are a pure function of
// the sequence's tokens so far and its seed. The function is computed through simulated KV slots
// exactly as attention would read them, so a wrong block, a stale prefix or a lost token changes
// the output: the real scheduler under it is tested, not assumed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "engine/engine_config.h"
#include "engine/step_runner.h"

namespace millrace::engine {

struct SimCost {
  double step_seconds = 0.010;
  double seconds_per_new_token = 0;
  double seconds_per_attended_token = 0;
  double seconds_per_sequence = 0;
};

struct SimConfig {
  SimCost cost;
  std::vector<TokenId> alphabet = {};  // what is generated; empty: any token but end of sequence
  double mean_output_tokens = 0;  // > 0: sequences end by themselves, geometrically distributed
  // A prompt with one of these makes its own sequence, or the whole step, fail.
  TokenId poison_token = -1;
  TokenId crash_token = -1;
};

class SimRunner final : public StepRunner {
 public:
  SimRunner(const SimConfig& sim, const EngineConfig& engine);

  void begin(SeqId sequence, std::span<const TokenId> prompt,
             const SamplingParams& sampling) override;
  void end(SeqId sequence) override;
  Status launch(const StepPlan& plan) override;
  Status collect(StepOutput& output) override;  // sleeps until the step's time is over

  // What a sequence with these tokens and this seed is continued with.
  TokenId next_token(std::span<const TokenId> tokens, std::uint64_t seed) const;

 private:
  struct SimSequence {
    std::uint64_t seed = 0;
    int min_tokens = 0, num_prompt_tokens = 0;
    bool ignores_eos = false;
  };
  TokenId token_for(std::uint64_t history, const SimSequence& sequence, int num_tokens) const;

  const SimConfig sim_;
  const EngineConfig engine_;
  std::vector<std::uint64_t> kv_;  // [blocks, block_tokens]: a digest of all tokens up to the slot
  std::vector<SimSequence> sequences_;
  std::vector<SampledToken> sampled_;
  TimePoint done_{};
};

}  // namespace millrace::engine
