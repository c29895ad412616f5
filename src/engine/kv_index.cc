#include "engine/kv_index.h"

#include "base/check.h"

namespace millrace::engine {

KvIndex::KvIndex(int num_blocks, int block_tokens, bool enable_prefix_caching, HashKey key)
    : block_tokens_(block_tokens),
      enable_prefix_caching_(enable_prefix_caching),
      pool_(num_blocks),
      cache_(num_blocks, block_tokens, key) {}

BlockId KvIndex::take_block() {
  const BlockPool::Allocation taken = pool_.allocate();
  if (taken.evicted) cache_.erase(taken.block);
  return taken.block;
}

void KvIndex::match_prefix(const Sequence& sequence) {
  matched_.clear();
  // Prompt log-probabilities need every prompt token's logits, so nothing can be skipped.
  if (!enable_prefix_caching_ || sequence.wants_prompt_logprobs) return;
  const auto size = static_cast<std::size_t>(block_tokens_);
  const std::span<const TokenId> tokens = sequence.tokens;
  NodeId parent = cache_.root(sequence.scope);
  for (std::size_t end = size; end < tokens.size(); end += size) {
    const BlockId block = cache_.find(parent, tokens.subspan(end - size, size));
    if (block < 0) break;
    matched_.push_back(block);
    parent = cache_.node(block);
  }
}

bool KvIndex::admit(Sequence& sequence, int num_spare, int* num_missing) {
  MILLRACE_CHECK(sequence.blocks.empty());
  match_prefix(sequence);
  int num_taken = blocks_for(sequence.num_tokens()) - static_cast<int>(matched_.size());
  const int num_new = num_taken;
  for (const BlockId block : matched_) num_taken += pool_.ref_count(block) == 0 ? 1 : 0;
  *num_missing = num_taken + num_spare - pool_.num_available();
  if (*num_missing > 0) return false;

  for (const BlockId block : matched_) pool_.retain(block);
  sequence.blocks.assign(matched_.begin(), matched_.end());
  for (int i = 0; i < num_new; ++i) sequence.blocks.push_back(take_block());
  sequence.num_registered_blocks = static_cast<int>(matched_.size());
  sequence.num_computed_tokens = sequence.num_registered_blocks * block_tokens_;
  sequence.last_node =
      matched_.empty() ? cache_.root(sequence.scope) : cache_.node(matched_.back());
  return true;
}

bool KvIndex::grow(Sequence& sequence) {
  const BlockId block = take_block();
  if (block < 0) return false;
  sequence.blocks.push_back(block);
  return true;
}

void KvIndex::register_full_blocks(Sequence& sequence) {
  if (!enable_prefix_caching_) return;
  const auto size = static_cast<std::size_t>(block_tokens_);
  const std::span<const TokenId> tokens = sequence.tokens;
  while ((sequence.num_registered_blocks + 1) * block_tokens_ <= sequence.num_computed_tokens) {
    const auto i = static_cast<std::size_t>(sequence.num_registered_blocks);
    const BlockId block = sequence.blocks[i];
    const std::span<const TokenId> held = tokens.subspan(i * size, size);
    // Another sequence may have computed the same block meanwhile: then this copy stays private.
    BlockId shared = cache_.find(sequence.last_node, held);
    if (shared < 0) {
      cache_.insert(sequence.scope, sequence.last_node, held, block);
      pool_.mark_reusable(block, sequence.tenant % BlockPool::kNumGroups);
      shared = block;
    }
    sequence.last_node = cache_.node(shared);
    ++sequence.num_registered_blocks;
  }
}

void KvIndex::release(Sequence& sequence) {
  while (!sequence.blocks.empty()) {
    pool_.release(sequence.blocks.back());
    sequence.blocks.pop_back();
  }
  sequence.num_computed_tokens = sequence.num_registered_blocks = 0;
}

void KvIndex::release_and_forget(Sequence& sequence) {
  for (const BlockId block : sequence.blocks) {
    if (!pool_.reusable(block)) continue;
    cache_.erase(block);
    pool_.forget(block);
  }
  release(sequence);
}

}  // namespace millrace::engine
