#include "hub/byte_ranges.h"

#include <algorithm>

namespace millrace::hub {

void ByteRanges::add(ByteRange range) {
  if (range.begin < 0 || range.end <= range.begin) return;
  auto next = ranges_.upper_bound(range.begin);
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->second >= range.begin) {
      range.begin = before->first;
      range.end = std::max(range.end, before->second);
      ranges_.erase(before);
    }
  }
  while (next != ranges_.end() && next->first <= range.end) {
    range.end = std::max(range.end, next->second);
    next = ranges_.erase(next);
  }
  ranges_.emplace(range.begin, range.end);
}

std::int64_t ByteRanges::total() const {
  std::int64_t sum = 0;
  for (const auto& [begin, end] : ranges_) sum += end - begin;
  return sum;
}

std::int64_t ByteRanges::prefix() const {
  return !ranges_.empty() && ranges_.begin()->first == 0 ? ranges_.begin()->second : 0;
}

std::vector<ByteRange> ByteRanges::list() const {
  std::vector<ByteRange> list;
  for (const auto& [begin, end] : ranges_) list.push_back({begin, end});
  return list;
}

std::vector<ByteRange> ByteRanges::gaps(std::int64_t size, std::int64_t piece) const {
  std::vector<ByteRange> gaps;
  const auto cut = [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += piece) gaps.push_back({begin, std::min(begin + piece, end)});
  };
  std::int64_t at = 0;
  for (const auto& [begin, end] : ranges_) {
    cut(at, std::min(begin, size));
    at = end;
  }
  cut(at, size);
  return gaps;
}

}  // namespace millrace::hub
