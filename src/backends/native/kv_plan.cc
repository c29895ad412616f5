#include "backends/native/kv_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace millrace::backends {
namespace {

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::unexpected<Error> too_small(const KvNeeds& needs, std::int64_t budget, std::int64_t blocks,
                                 int tokens) {
  const std::int64_t needed_blocks = (tokens + needs.block_tokens - 1) / needs.block_tokens;
  return fail(ErrorKind::too_large,
              fmt::format("the KV cache of {} has room for {} tokens, but a context of {} "
                          "tokens takes {}: raise --kv-cache-memory or lower --max-model-len",
                          mebibytes(budget), blocks * needs.block_tokens, tokens,
                          mebibytes(needed_blocks * needs.block_bytes)),
              "max_model_len", "out_of_memory");
}

}  // namespace

Result<KvPlan> plan_kv(const KvNeeds& needs) {
  MILLRACE_CHECK(needs.block_bytes > 0 && needs.block_tokens > 0 && needs.model_context > 0);
  const std::int64_t budget = needs.budget_bytes > 0 ? needs.budget_bytes : kDefaultKvBytes;
  const std::int64_t most_slots = std::numeric_limits<std::int32_t>::max();
  const std::int64_t blocks = std::min(budget / needs.block_bytes, most_slots / needs.block_tokens);
  const std::int64_t tokens = blocks * needs.block_tokens;

  int context = needs.model_context;
  if (needs.max_model_len > 0) {
    context = std::min(context, needs.max_model_len);
    if (tokens < context) return too_small(needs, budget, blocks, context);
  } else {
    const int shortest = std::min(context, kShortestContext);
    if (tokens < shortest) return too_small(needs, budget, blocks, shortest);
    context = static_cast<int>(std::min<std::int64_t>(context, tokens));
  }
  const std::int64_t blocks_a_sequence = (context + needs.block_tokens - 1) / needs.block_tokens;
  const std::int64_t useful = blocks_a_sequence * std::max(needs.max_num_seqs, 1);
  return KvPlan{.max_model_len = context, .num_blocks = static_cast<int>(std::min(blocks, useful))};
}

}  // namespace millrace::backends
