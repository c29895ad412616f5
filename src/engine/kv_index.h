// KvIndex: BlockPool and PrefixCache together: which blocks a sequence holds and which of them
// later sequences may share. Not thread-safe.
#pragma once

#include <string>

#include "engine/block_pool.h"
#include "engine/prefix_cache.h"
#include "engine/sequence.h"

namespace millrace::engine {

class KvIndex {
 public:
  KvIndex(int num_blocks, int block_tokens, bool enable_prefix_caching, HashKey key);

  // Gives a sequence without blocks all those its tokens need: cached ones for the longest known
  // prefix (the last token is always left to compute), new ones for the rest. False, and nothing
  // changed, unless `num_spare` would stay available. `num_missing` is what was short.
  bool admit(Sequence& sequence, int num_spare, int* num_missing);
  // One more block; false when none is available.
  bool grow(Sequence& sequence);
  // Makes the blocks that num_computed_tokens filled findable.
  void register_full_blocks(Sequence& sequence);
  // Takes all blocks back. The last is released first, so prefixes outlive what follows them.
  void release(Sequence& sequence);
  // The same, and nobody shall reuse what this sequence computed or shared.
  void release_and_forget(Sequence& sequence);

  ScopeId acquire_scope(std::string_view tenant, std::string_view salt) {
    return cache_.acquire_scope(tenant, salt);
  }
  void release_scope(ScopeId scope) { cache_.release_scope(scope); }
  NodeId root(ScopeId scope) const { return cache_.root(scope); }
  const BlockPool& pool() const { return pool_; }
  int num_scopes() const { return cache_.num_scopes(); }
  int block_tokens() const { return block_tokens_; }
  int blocks_for(std::int64_t num_tokens) const {
    return static_cast<int>((num_tokens + block_tokens_ - 1) / block_tokens_);
  }

 private:
  BlockId take_block();
  void match_prefix(const Sequence& sequence);

  const int block_tokens_;
  const bool enable_prefix_caching_;
  BlockPool pool_;
  PrefixCache cache_;
  std::vector<BlockId> matched_;
};

}  // namespace millrace::engine
