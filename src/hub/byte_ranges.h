// ByteRanges: which bytes of a file are there. Sorted, disjoint, joined where they touch.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace millrace::hub {

// [begin, end)
struct ByteRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

class ByteRanges {
 public:
  void add(ByteRange range);  // empty ranges add nothing
  void clear() { ranges_.clear(); }
  bool empty() const { return ranges_.empty(); }
  std::int64_t total() const;
  // Bytes that are there from 0 on without a hole.
  std::int64_t prefix() const;
  std::vector<ByteRange> list() const;
  // What is missing of [0, size), cut into pieces of at most `piece` bytes.
  std::vector<ByteRange> gaps(std::int64_t size, std::int64_t piece) const;

 private:
  std::map<std::int64_t, std::int64_t> ranges_;  // begin → end
};

}  // namespace millrace::hub
