// The merges of a byte-pair encoding and the algorithm that applies them: always the pair of lowest
// rank, the leftmost of equals, until no neighbours have a merge.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/vocabulary.h"

namespace millrace::text {

using Symbol = std::uint32_t;  // a token id, or an id behind the vocabulary: < kMaxVocabulary - 1

// (left, right) → rank, in 8-byte slots of an open hash table. Immutable once filled; thread-safe.
class MergeTable {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  explicit MergeTable(std::size_t num_merges);  // ≤ kMaxMerges - 1
  // At most num_merges times. A pair given twice has its last rank.
  void add(Symbol left, Symbol right, std::uint32_t rank);
  // The next rank, from 0 on: what its pairs become.
  std::uint32_t add_rank(Symbol merged) {
    merged_.push_back(merged);
    return static_cast<std::uint32_t>(merged_.size() - 1);
  }

  std::uint32_t rank(Symbol left, Symbol right) const {
    const std::uint64_t key = pair_key(left, right);
    if (!(filter_[filter_word(key)] >> (key * multiplier_ >> filter_shift_ & 63) & 1)) return kNone;
    for (std::size_t i = home(key);; i = (i + 1) & mask_) {
      const std::uint64_t slot = slots_[i];
      if (slot >> kRankBits == key) return static_cast<std::uint32_t>(slot & kRankMask);
      if (slot == kEmpty) return kNone;
    }
  }
  Symbol merged(std::uint32_t rank) const { return merged_[rank]; }

 private:
  static constexpr int kSymbolBits = 21;
  static constexpr int kRankBits = 22;
  static constexpr std::uint64_t kRankMask = (std::uint64_t{1} << kRankBits) - 1;
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  static std::uint64_t pair_key(Symbol left, Symbol right) {
    return std::uint64_t{left} << kSymbolBits | right;
  }
  std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>(key * multiplier_ >> shift_);
  }

  std::size_t filter_word(std::uint64_t key) const {
    return static_cast<std::size_t>(key * multiplier_ >> (filter_shift_ + 6));
  }

  std::vector<std::uint64_t> slots_;
  // A bit for each hash that some pair has, 16 to 32 a pair: most pairs that are asked for have no
  // merge, and these bits stay in the cache where the slots do not.
  std::vector<std::uint64_t> filter_;
  std::vector<Symbol> merged_;  // by rank
  std::uint64_t multiplier_;
  std::size_t mask_;
  int shift_;
  int filter_shift_;
};

// Merges in place; returns how many symbols, from the front, are left. `ranks` has the rank of each
// symbol with the next one (the last entry is free) and is used up. O(n log n) time, O(n) memory;
// at most 2^32 - 1 symbols.
std::size_t apply_merges(const MergeTable& merges, std::span<Symbol> symbols,
                         std::span<std::uint32_t> ranks);

}  // namespace millrace::text
