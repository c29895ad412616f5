// What an engine is told at construction: the model's limits, the memory it may index, its
// policies.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "servable/requests.h"

namespace millrace::engine {

struct EngineConfig {
  std::string model_name;  // metric label
  std::string revision;    // of the weights; part of every prefix-cache key
  int vocab_size = 0;      // prompt ids must lie in [0, vocab_size)
  std::vector<TokenId> eos_token_ids;

  int max_model_len = 2048;          // prompt + completion
  int max_num_seqs = 32;             // sequences in one step
  int max_num_batched_tokens = 512;  // new tokens in one step; at least max_num_seqs
  int max_num_queued = 0;            // waiting requests; 0: max(64, 4 * max_num_seqs)

  int block_tokens = 16;  // tokens a KV block
  int num_blocks = 0;     // KV blocks in all
  bool enable_prefix_caching = true;
  // Rows of logits a step may spend on prompt_logprobs, beyond one a sequence.
  int max_prompt_logprob_rows = 32;
  int max_logprobs = 20;  // of num_logprobs and num_prompt_logprobs

  // Chunk sizing while streams decode: a step may take their TPOT SLO. Where a stream named none,
  // the longest of: `decode_stretch` times the step without prefill; `relaxed_step_seconds`; and,
  // so that a backlog of prompts drains, the decodes' step times 1 + backlog /
  // `backlog_goal_seconds`, up to `pressed_step_seconds`.
  double decode_stretch = 1.75;
  double relaxed_step_seconds = 0.015;
  double backlog_goal_seconds = 0.1;
  double pressed_step_seconds = 0.11;
  // A waiting request that named no SLO is due this long after its arrival (it orders the queue).
  double patience_seconds = 10.0;
  // A reader that leaves its channel full this long is dropped.
  double stall_abort_seconds = 30.0;

  // Fills what was left 0 and raises what is too small to work at all.
  void complete();
  int max_logit_rows() const { return max_num_seqs + max_prompt_logprob_rows; }
};

}  // namespace millrace::engine
