// For tests: a Scheduler driven by hand over a SimRunner that costs no time. It checks every
// sampled token against what the sequence's own tokens determine, and the integrity of all state.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "engine/scheduler.h"
#include "engine/sim_runner.h"

namespace millrace::engine {

inline EngineConfig small_config() {
  EngineConfig config;
  config.model_name = "test";
  config.vocab_size = 1000;
  config.eos_token_ids = {0};
  config.max_model_len = 256;
  config.max_num_seqs = 8;
  config.max_num_batched_tokens = 64;
  config.block_tokens = 4;
  config.num_blocks = 64;
  config.complete();
  return config;
}

inline std::vector<TokenId> prompt_of(int length, int first = 1) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < length; ++i) tokens.push_back(1 + (first * 31 + i * 7) % 900);
  return tokens;
}

class SchedulerHarness {
 public:
  explicit SchedulerHarness(const EngineConfig& config, const SimCost& cost = {})
      : config_(config),
        cost_(cost),
        runner_({.cost = {.step_seconds = 0}}, config_),
        scheduler(config_, {1, 2}) {}

  SeqId add(NewSequence sequence) {
    const SeqId id = scheduler.add(std::move(sequence));
    remaining_[id] = scheduler.sequence(id).max_new_tokens;
    begun_[id] = false;
    return id;
  }
  void remove(SeqId id, bool forget = false) {
    scheduler.remove(id, forget);
    remaining_.erase(id);
  }
  bool live(SeqId id) const { return remaining_.contains(id); }

  // One step; returns what was wrong, empty when all went well. Sequences end at max_new_tokens.
  std::string step() {
    const StepPlan& plan = scheduler.schedule(now);
    last = plan;
    if (plan.empty()) return {};
    ++num_steps;
    if (plan.load.num_new_tokens > config_.max_num_batched_tokens) return "over the token budget";
    if (static_cast<int>(plan.sequences.size()) > config_.max_num_seqs) return "too many sequences";
    for (const ScheduledSequence& entry : plan.sequences) {
      if (begun_[entry.sequence]) continue;
      begun_[entry.sequence] = true;
      runner_.begin(entry.sequence, scheduler.sequence(entry.sequence).tokens, sampling_);
    }
    output_.sampled.resize(plan.sequences.size());
    StepPlan sabotaged = plan;
    if (sabotage) sabotage(sabotaged);
    if (!runner_.launch(sabotaged) || !runner_.collect(output_)) return "the runner failed";
    const double seconds = cost_of(plan.load);
    now += seconds;
    for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
      const SeqId id = plan.sequences[i].sequence;
      const std::vector<TokenId> before = scheduler.sequence(id).tokens;
      const TokenId token = output_.sampled[i].token;
      if (token >= 0 && token != runner_.next_token(before, 0))
        return "a token differs from what its sequence determines";
      scheduler.complete(i, token);
      if (token < 0) continue;
      tokens_out[id].push_back(token);
      if (--remaining_[id] == 0) {
        finished.push_back(id);
        remove(id);
      }
    }
    scheduler.cost_model().observe(plan.load, seconds);
    return scheduler.check_integrity();
  }
  // Steps until nothing is live (or `limit` steps); returns the first thing wrong.
  std::string drain(int limit = 100000) {
    for (int i = 0; i < limit && scheduler.num_live() > 0; ++i)
      if (std::string wrong = step(); !wrong.empty()) return wrong;
    return scheduler.num_live() == 0 ? "" : "sequences are left over";
  }
  double cost_of(const StepLoad& load) const {
    return cost_.step_seconds + cost_.seconds_per_new_token * load.num_new_tokens +
           cost_.seconds_per_attended_token * static_cast<double>(load.num_attended_tokens) +
           cost_.seconds_per_sequence * load.num_sequences;
  }

 private:
  EngineConfig config_;
  SimCost cost_;
  SamplingParams sampling_;  // seed 0
  SimRunner runner_;
  StepOutput output_;
  std::map<SeqId, int> remaining_;
  std::map<SeqId, bool> begun_;

 public:
  Scheduler scheduler;
  double now = 0;
  int num_steps = 0;
  StepPlan last;
  std::vector<SeqId> finished;
  std::map<SeqId, std::vector<TokenId>> tokens_out;
  void (*sabotage)(StepPlan& plan) = nullptr;  // a bug between scheduler and device
};

}  // namespace millrace::engine
