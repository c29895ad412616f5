// StepPlan: what one step computes. The scheduler's output and the runner's input; integers only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "servable/requests.h"

namespace millrace::engine {

// A live sequence's slot: small, dense, reused after the sequence has ended.
using SeqId = std::int32_t;
using BlockId = std::int32_t;

struct ScheduledSequence {
  SeqId sequence = -1;
  int num_computed_tokens = 0;          // before this step: the first new token's position
  std::span<const TokenId> new_tokens;  // at least one
  std::span<const BlockId> blocks;      // cover every position up to and including this step's
  bool samples = false;  // the new tokens reach the end of what is known: sample the next one
};

// The quantities a step's duration depends on.
struct StepLoad {
  int num_new_tokens = 0;
  int num_sequences = 0;
  // Sum over new tokens of the positions each attends to.
  std::int64_t num_attended_tokens = 0;
};

// Spans point into the scheduler's sequences: valid until its next non-const call.
struct StepPlan {
  std::vector<ScheduledSequence> sequences;  // decodes first, then prefill chunks
  StepLoad load;
  int num_decodes = 0;  // the first num_decodes entries
  bool empty() const { return sequences.empty(); }
};

}  // namespace millrace::engine
