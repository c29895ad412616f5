#include "engine/sim_runner.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/random.h"

namespace millrace::engine {

namespace {

constexpr std::uint64_t kEmptyHistory = 0x6d696c6c72616365;

std::uint64_t extend(std::uint64_t history, TokenId token) {
  return mix(history, static_cast<std::uint32_t>(token));
}

}  // namespace

SimRunner::SimRunner(const SimConfig& sim, const EngineConfig& engine)
    : sim_(sim),
      engine_(engine),
      kv_(static_cast<std::size_t>(engine.num_blocks) *
          static_cast<std::size_t>(engine.block_tokens)) {}

void SimRunner::begin(SeqId sequence, std::span<const TokenId> prompt,
                      const SamplingParams& sampling) {
  const auto slot = static_cast<std::size_t>(sequence);
  if (slot >= sequences_.size()) sequences_.resize(slot + 1);
  sequences_[slot] = {.seed = sampling.seed.value_or(0),
                      .min_tokens = sampling.min_tokens,
                      .num_prompt_tokens = static_cast<int>(prompt.size()),
                      .ignores_eos = sampling.ignore_eos};
}

void SimRunner::end(SeqId sequence) {
  sequences_[static_cast<std::size_t>(sequence)] = {};
}

Status SimRunner::launch(const StepPlan& plan) {
  const StepLoad& load = plan.load;
  const SimCost& cost = sim_.cost;
  const double seconds =
      cost.step_seconds + cost.seconds_per_new_token * load.num_new_tokens +
      cost.seconds_per_attended_token * static_cast<double>(load.num_attended_tokens) +
      cost.seconds_per_sequence * load.num_sequences;
  done_ = Clock::now() +
          std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  sampled_.assign(plan.sequences.size(), {});
  for (std::size_t i = 0; i < plan.sequences.size(); ++i) {
    const ScheduledSequence& entry = plan.sequences[i];
    const auto slot = [&](int position) -> std::uint64_t& {
      const BlockId block = entry.blocks[static_cast<std::size_t>(position / engine_.block_tokens)];
      return kv_[static_cast<std::size_t>(block * engine_.block_tokens +
                                          position % engine_.block_tokens)];
    };
    int position = entry.num_computed_tokens;
    std::uint64_t history = position == 0 ? kEmptyHistory : slot(position - 1);
    for (const TokenId token : entry.new_tokens) {
      if (token == sim_.crash_token) return fail(ErrorKind::internal, "simulated device error");
      if (token == sim_.poison_token) sampled_[i].failed = true;
      history = slot(position++) = extend(history, token);
    }
    if (entry.samples)
      sampled_[i].token =
          token_for(history, sequences_[static_cast<std::size_t>(entry.sequence)], position);
  }
  return {};
}

Status SimRunner::collect(StepOutput& output) {
  std::ranges::move(sampled_, output.sampled.begin());
  std::this_thread::sleep_until(done_);
  return {};
}

TokenId SimRunner::token_for(std::uint64_t history, const SimSequence& sequence,
                             int num_tokens) const {
  const std::uint64_t h = mix(history, sequence.seed);
  const bool may_end = !sequence.ignores_eos && !engine_.eos_token_ids.empty() &&
                       num_tokens - sequence.num_prompt_tokens >= sequence.min_tokens;
  if (may_end && sim_.mean_output_tokens > 0 && uniform(h, 0) * sim_.mean_output_tokens < 1)
    return engine_.eos_token_ids.front();
  if (!sim_.alphabet.empty()) return sim_.alphabet[h % sim_.alphabet.size()];
  auto token = static_cast<TokenId>(h % static_cast<std::uint64_t>(engine_.vocab_size));
  while (std::ranges::find(engine_.eos_token_ids, token) != engine_.eos_token_ids.end())
    token = (token + 1) % engine_.vocab_size;
  return token;
}

TokenId SimRunner::next_token(std::span<const TokenId> tokens, std::uint64_t seed) const {
  std::uint64_t history = kEmptyHistory;
  for (const TokenId token : tokens) history = extend(history, token);
  return token_for(history, {.seed = seed, .ignores_eos = true}, static_cast<int>(tokens.size()));
}

}  // namespace millrace::engine
