#include "engine/engine_config.h"

#include <algorithm>

namespace millrace::engine {

void EngineConfig::complete() {
  max_num_seqs = std::max(max_num_seqs, 1);
  max_num_batched_tokens = std::max({max_num_batched_tokens, max_num_seqs, block_tokens});
  if (max_num_queued <= 0) max_num_queued = std::max(64, 4 * max_num_seqs);
  max_prompt_logprob_rows = std::max(max_prompt_logprob_rows, 1);
}

}  // namespace millrace::engine
