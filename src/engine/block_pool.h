// BlockPool: ids of KV blocks, their reference counts, and which unreferenced ones still hold a
// reusable prefix. No memory, no hashes. A block is in exactly one of three states:
//   referenced  by one or more sequences (its contents may be reusable as well)
//   cached      by none, contents reusable; evicted when blocks run short
//   free        by none, contents meaningless
// Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/step_plan.h"

namespace millrace::engine {

class BlockPool {
 public:
  // Cached blocks are kept in this many groups of tenants. The group that holds the most loses its
  // least recently used block first, so a tenant's flood evicts mostly its own prefixes.
  static constexpr int kNumGroups = 64;

  explicit BlockPool(int num_blocks);

  struct Allocation {
    BlockId block = -1;    // -1: every block is referenced
    bool evicted = false;  // it was cached: the prefix cache must forget it
  };
  // A block with one reference: a free one, else the cached one that may go first.
  Allocation allocate();
  void retain(BlockId block);   // one more reference; a cached block becomes referenced
  void release(BlockId block);  // one less; the last one makes it cached or free
  // A referenced block's contents became reusable.
  void mark_reusable(BlockId block, int group);
  // They are no longer; an unreferenced block becomes free.
  void forget(BlockId block);

  bool reusable(BlockId block) const { return group_[index(block)] >= 0; }
  int ref_count(BlockId block) const { return ref_count_[index(block)]; }
  int num_blocks() const { return static_cast<int>(ref_count_.size()); }
  int num_free() const { return static_cast<int>(free_.size()); }
  int num_cached() const { return num_cached_; }
  int num_available() const { return num_free() + num_cached_; }
  int num_referenced() const { return num_blocks() - num_available(); }

  // Recounts everything; empty when sound, otherwise what is wrong. O(blocks).
  std::string check_integrity() const;

 private:
  static std::size_t index(BlockId block) { return static_cast<std::size_t>(block); }
  struct Lru {  // oldest at head
    BlockId head = -1, tail = -1;
    int size = 0;
  };
  void append(BlockId block);
  void unlink(BlockId block);

  std::vector<std::int32_t> ref_count_;
  std::vector<std::int8_t> group_;  // -1: contents not reusable
  std::vector<BlockId> previous_, next_;
  std::vector<BlockId> free_;
  std::array<Lru, kNumGroups> cached_;
  int num_cached_ = 0;
};

}  // namespace millrace::engine
