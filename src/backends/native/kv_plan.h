// How long a context and how many KV blocks fit a memory budget. Pure arithmetic.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace millrace::backends {

struct KvNeeds {
  std::int64_t budget_bytes = 0;  // 0: kDefaultKvBytes
  std::int64_t block_bytes = 0;   // all layers together
  int block_tokens = 16;
  int model_context = 0;  // the most the model was made for
  int max_model_len = 0;  // asked for; 0: as long as fits
  int max_num_seqs = 1;
};

struct KvPlan {
  int max_model_len = 0;
  int num_blocks = 0;
};

inline constexpr std::int64_t kDefaultKvBytes = std::int64_t{1} << 30;
// A context shorter than this (or than the model's own) is not worth serving.
inline constexpr int kShortestContext = 512;

// A longer max_model_len than the model's is cut to it. too_large (code "out_of_memory"), with the
// figures, when the budget cannot hold one sequence of the length asked for. No more blocks than
// max_num_seqs sequences of full length could use.
Result<KvPlan> plan_kv(const KvNeeds& needs);

}  // namespace millrace::backends
