#include "hub/byte_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace millrace::hub {
namespace {

TEST(ByteRanges, JoinsWhatTouches) {
  ByteRanges ranges;
  ranges.add({10, 20});
  ranges.add({30, 40});
  EXPECT_EQ(ranges.prefix(), 0);
  ranges.add({20, 30});
  EXPECT_EQ(ranges.list(), (std::vector<ByteRange>{{10, 40}}));
  ranges.add({0, 10});
  EXPECT_EQ(ranges.prefix(), 40);
  ranges.add({5, 5});
  ranges.add({-3, 7});
  EXPECT_EQ(ranges.total(), 40);
}

TEST(ByteRanges, GapsAreCutIntoPieces) {
  ByteRanges ranges;
  ranges.add({4, 6});
  EXPECT_EQ(ranges.gaps(12, 4), (std::vector<ByteRange>{{0, 4}, {6, 10}, {10, 12}}));
  EXPECT_EQ(ranges.gaps(5, 100), (std::vector<ByteRange>{{0, 4}}));
  EXPECT_TRUE(ranges.gaps(0, 4).empty());
}

// Against a plain array of booleans.
TEST(ByteRanges, AgreesWithAnArray) {
  constexpr std::int64_t kSize = 64;
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    ByteRanges ranges;
    std::vector<bool> truth(kSize);
    for (int add = 0; add < 12; ++add) {
      const auto begin = static_cast<std::int64_t>(random() % kSize);
      const auto end = std::min<std::int64_t>(begin + random() % 12, kSize);
      ranges.add({begin, end});
      for (auto i = begin; i < end; ++i) truth[static_cast<std::size_t>(i)] = true;
      std::vector<bool> got(kSize);
      for (const auto& range : ranges.list()) {
        for (auto i = range.begin; i < range.end; ++i) got[static_cast<std::size_t>(i)] = true;
      }
      ASSERT_EQ(got, truth);
      std::vector<bool> covered = truth;
      for (const auto& gap : ranges.gaps(kSize, 5)) {
        ASSERT_LE(gap.size(), 5);
        for (auto i = gap.begin; i < gap.end; ++i) {
          ASSERT_FALSE(covered[static_cast<std::size_t>(i)]);
          covered[static_cast<std::size_t>(i)] = true;
        }
      }
      ASSERT_EQ(covered, std::vector<bool>(kSize, true));
    }
  }
}

}  // namespace
}  // namespace millrace::hub
