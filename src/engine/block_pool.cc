#include "engine/block_pool.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace millrace::engine {

BlockPool::BlockPool(int num_blocks)
    : ref_count_(static_cast<std::size_t>(num_blocks), 0),
      group_(ref_count_.size(), std::int8_t{-1}),
      previous_(ref_count_.size(), -1),
      next_(ref_count_.size(), -1) {
  free_.reserve(ref_count_.size());
  for (BlockId block = num_blocks - 1; block >= 0; --block) free_.push_back(block);
}

BlockPool::Allocation BlockPool::allocate() {
  Allocation result;
  if (!free_.empty()) {
    result.block = free_.back();
    free_.pop_back();
  } else if (num_cached_ > 0) {
    const auto largest = std::max_element(
        cached_.begin(), cached_.end(), [](const Lru& a, const Lru& b) { return a.size < b.size; });
    result = {.block = largest->head, .evicted = true};
    unlink(result.block);
    group_[index(result.block)] = -1;
  } else {
    return result;
  }
  ref_count_[index(result.block)] = 1;
  return result;
}

void BlockPool::retain(BlockId block) {
  if (ref_count_[index(block)]++ == 0) {
    MILLRACE_CHECK(reusable(block));
    unlink(block);
  }
}

void BlockPool::release(BlockId block) {
  MILLRACE_CHECK(ref_count_[index(block)] > 0);
  if (--ref_count_[index(block)] > 0) return;
  if (reusable(block)) {
    append(block);
  } else {
    free_.push_back(block);
  }
}

void BlockPool::mark_reusable(BlockId block, int group) {
  MILLRACE_CHECK(ref_count_[index(block)] > 0 && group >= 0 && group < kNumGroups);
  group_[index(block)] = static_cast<std::int8_t>(group);
}

void BlockPool::forget(BlockId block) {
  if (!reusable(block)) return;
  if (ref_count_[index(block)] == 0) {
    unlink(block);
    free_.push_back(block);
  }
  group_[index(block)] = -1;
}

void BlockPool::append(BlockId block) {
  Lru& list = cached_[static_cast<std::size_t>(group_[index(block)])];
  previous_[index(block)] = list.tail;
  next_[index(block)] = -1;
  (list.tail >= 0 ? next_[index(list.tail)] : list.head) = block;
  list.tail = block;
  ++list.size;
  ++num_cached_;
}

void BlockPool::unlink(BlockId block) {
  Lru& list = cached_[static_cast<std::size_t>(group_[index(block)])];
  const BlockId before = previous_[index(block)], after = next_[index(block)];
  (before >= 0 ? next_[index(before)] : list.head) = after;
  (after >= 0 ? previous_[index(after)] : list.tail) = before;
  --list.size;
  --num_cached_;
}

std::string BlockPool::check_integrity() const {
  std::vector<int> times_listed(ref_count_.size(), 0);
  for (const BlockId block : free_) {
    ++times_listed[index(block)];
    if (reusable(block)) return fmt::format("free block {} is marked reusable", block);
  }
  int num_listed = 0;
  for (std::size_t group = 0; group < cached_.size(); ++group) {
    int size = 0;
    for (BlockId b = cached_[group].head; b >= 0; b = next_[index(b)], ++size) {
      ++times_listed[index(b)];
      if (group_[index(b)] != static_cast<int>(group))
        return fmt::format("cached block {} is in another group's list", b);
      if (size > num_blocks()) return fmt::format("the list of group {} is a ring", group);
    }
    if (size != cached_[group].size) return fmt::format("group {} miscounts its blocks", group);
    num_listed += size;
  }
  if (num_listed != num_cached_) return "cached blocks are miscounted";
  for (BlockId block = 0; block < num_blocks(); ++block) {
    const int expected = ref_count_[index(block)] == 0 ? 1 : 0;
    if (ref_count_[index(block)] < 0 || times_listed[index(block)] != expected)
      return fmt::format("block {} has {} references and is listed {} times", block,
                         ref_count_[index(block)], times_listed[index(block)]);
  }
  return {};
}

}  // namespace millrace::engine
