// Sequence: one request as the scheduler sees it: integers, ids and times as numbers (seconds on
// the engine's clock).
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/step_plan.h"
#include "engine/tenants.h"
#include "engine/wait_queue.h"

namespace millrace::engine {

inline constexpr double kNoTime = std::numeric_limits<double>::infinity();

enum class Phase : std::uint8_t {
  unused,   // the slot is free
  waiting,  // in the queue, no blocks: new, or preempted
  prefill,  // running: known tokens remain to be computed
  decode,   // running: one new token a step
  paused,   // its reader is slow: keeps its blocks, takes no part in steps
  ready,    // resumed, comes back as soon as there is room
  parked,   // paused and preempted: no blocks, waits for its reader before it queues
};

// What the scheduler is told of a request.
struct NewSequence {
  std::vector<TokenId> prompt;
  std::string tenant, cache_salt;
  int max_new_tokens = 0;
  int priority = 0;
  double arrival = 0;
  double deadline = kNoTime;      // of the whole request
  double ttft_due = kNoTime;      // when the first token should be out
  double tpot_seconds = kNoTime;  // SLO of one token
  bool wants_prompt_logprobs = false;
};

struct Sequence {
  Phase phase = Phase::unused;
  bool wants_prompt_logprobs = false;
  bool keeps_latest_start = false;  // never demoted (again): see Scheduler::front_of_queue
  int priority = 0;
  TenantId tenant = 0;
  std::int32_t list_index = -1;  // in the scheduler's list of its phase
  int num_prompt_tokens = 0;
  int max_new_tokens = 0;
  int num_computed_tokens = 0;    // whose KV is in blocks
  int num_registered_blocks = 0;  // the first ones, known to the prefix cache
  int num_cached_tokens = 0;      // of the prompt, found in the prefix cache at first admission
  double tpot_seconds = kNoTime;
  NodeId last_node = 0;         // of the last registered block
  std::vector<TokenId> tokens;  // prompt, then output
  std::vector<BlockId> blocks;

  ScopeId scope = 0;
  WaitKey wait_key;
  double arrival = 0, deadline = kNoTime;
  double ttft_budget = 0;       // from arrival to when the first token is due
  double first_scheduled = -1;  // < 0: not yet

  int num_tokens() const { return static_cast<int>(tokens.size()); }
  int num_output_tokens() const { return num_tokens() - num_prompt_tokens; }
};

}  // namespace millrace::engine
