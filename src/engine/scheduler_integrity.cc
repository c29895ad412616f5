// Scheduler::check_integrity: recounts from the sequences what scheduler and pool keep
// incrementally.
#include <fmt/format.h>

#include "engine/scheduler.h"

namespace millrace::engine {

namespace {

std::string check_sequence(const Sequence& s, SeqId id, const KvIndex& kv) {
  const bool holds_blocks = s.phase == Phase::prefill || s.phase == Phase::decode ||
                            s.phase == Phase::paused || s.phase == Phase::ready;
  if (!holds_blocks && !s.blocks.empty())
    return fmt::format("sequence {} holds blocks though it does not run", id);
  if (s.phase == Phase::unused) return {};
  if (s.num_computed_tokens >= s.num_tokens())
    return fmt::format("sequence {} has nothing left to compute", id);
  if (s.phase == Phase::decode && s.num_computed_tokens != s.num_tokens() - 1)
    return fmt::format("sequence {} decodes but {} tokens are not computed", id,
                       s.num_tokens() - s.num_computed_tokens);
  if (kv.blocks_for(s.num_computed_tokens) > static_cast<int>(s.blocks.size()))
    return fmt::format("sequence {} has more computed tokens than blocks", id);
  if (s.num_registered_blocks * kv.block_tokens() > s.num_computed_tokens)
    return fmt::format("sequence {} shares a block that is not full", id);
  return {};
}

}  // namespace

std::string Scheduler::check_integrity() const {
  if (std::string wrong = pool().check_integrity(); !wrong.empty()) return wrong;
  std::vector<int> references(static_cast<std::size_t>(pool().num_blocks()), 0);
  int num_live = 0, num_waiting = 0, num_listed = 0;
  std::int64_t num_waiting_tokens = 0;
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    const Sequence& s = sequences_[i];
    if (std::string wrong = check_sequence(s, static_cast<SeqId>(i), kv_); !wrong.empty())
      return wrong;
    for (const BlockId block : s.blocks) ++references[static_cast<std::size_t>(block)];
    num_live += s.phase != Phase::unused;
    num_waiting += s.phase == Phase::waiting;
    if (s.phase == Phase::waiting) num_waiting_tokens += s.num_tokens();
  }
  for (BlockId block = 0; block < pool().num_blocks(); ++block)
    if (references[static_cast<std::size_t>(block)] != pool().ref_count(block))
      return fmt::format("block {}: {} references counted, {} held", block, pool().ref_count(block),
                         references[static_cast<std::size_t>(block)]);
  for (const auto& [list, phase] :
       {std::pair(&decoding_, Phase::decode), std::pair(&prefilling_, Phase::prefill),
        std::pair(&paused_, Phase::paused), std::pair(&ready_, Phase::ready),
        std::pair(&parked_, Phase::parked)}) {
    for (std::size_t i = 0; i < list->size(); ++i, ++num_listed) {
      const Sequence& s = sequence((*list)[i]);
      if (s.phase != phase || s.list_index != static_cast<std::int32_t>(i))
        return fmt::format("sequence {} is in a list it does not belong to", (*list)[i]);
    }
  }
  if (num_live != num_live_ || num_waiting != queue_.size() || num_listed + num_waiting != num_live)
    return fmt::format("{} live sequences, {} counted; {} wait, {} queued; {} listed", num_live,
                       num_live_, num_waiting, queue_.size(), num_listed);
  if (num_waiting_tokens != num_waiting_tokens_)
    return fmt::format("{} tokens wait, {} counted", num_waiting_tokens, num_waiting_tokens_);
  if (num_running() > config_.max_num_seqs) return "more sequences run than may";
  if (num_live == 0 && pool().num_available() != pool().num_blocks())
    return fmt::format("idle, but only {} of {} blocks are free or cached", pool().num_available(),
                       pool().num_blocks());
  return {};
}

}  // namespace millrace::engine
