// StepRunner: turns a StepPlan into sampled tokens. ModelRunner computes them, SimRunner invents
// them at a known cost. Called by the engine's thread only.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "engine/step_plan.h"
#include "servable/requests.h"

namespace millrace::engine {

struct SampledToken {
  TokenId token = -1;   // -1: this entry of the plan did not sample
  bool failed = false;  // this sequence cannot go on (non-finite logits); others are unaffected
  float logprob = 0;
  std::vector<TokenLogprob> top_logprobs;
  std::vector<std::vector<TokenLogprob>> prompt_logprobs;  // with the first token, when asked for
};

// Entry i belongs to plan.sequences[i].
struct StepOutput {
  std::vector<SampledToken> sampled;
};

class StepRunner {
 public:
  virtual ~StepRunner() = default;
  // The sequence's slot is in use from begin to end; `sampling` outlives both, `prompt` only this
  // call. Between them it may be preempted: its tokens then come again, from position 0 or a cached
  // prefix on.
  virtual void begin(SeqId sequence, std::span<const TokenId> prompt,
                     const SamplingParams& sampling) = 0;
  virtual void end(SeqId sequence) = 0;

  // Starts the step, then waits for it: two calls, so that a device's next step can be launched
  // before the last one's tokens are read. An error fails every request in the plan, not the
  // engine.
  virtual Status launch(const StepPlan& plan) = 0;
  virtual Status collect(StepOutput& output) = 0;
};

}  // namespace millrace::engine
