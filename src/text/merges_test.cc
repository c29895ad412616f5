#include "text/merges.h"

#include <gtest/gtest.h>

#include <random>

#include "text/hash.h"
#include "text/word_cache.h"

namespace millrace::text {
namespace {

// The definition: the lowest rank, the leftmost of equals, again and again.
std::vector<Symbol> merge_naively(const MergeTable& merges, std::vector<Symbol> symbols) {
  while (true) {
    std::uint32_t best = MergeTable::kNone;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const std::uint32_t rank = merges.rank(symbols[i], symbols[i + 1]);
      if (rank < best) best = rank, at = i;
    }
    if (best == MergeTable::kNone) return symbols;
    symbols[at] = merges.merged(best);
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

std::vector<Symbol> merge(const MergeTable& merges, std::vector<Symbol> symbols) {
  std::vector<std::uint32_t> ranks(symbols.size());
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    ranks[i] = merges.rank(symbols[i], symbols[i + 1]);
  }
  symbols.resize(apply_merges(merges, symbols, ranks));
  return symbols;
}

// Random merges over a small alphabet, so that they compete everywhere.
MergeTable random_merges(std::mt19937& random, std::size_t count) {
  MergeTable merges(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto num_symbols = static_cast<Symbol>(4 + i);
    const Symbol left = static_cast<Symbol>(random()) % num_symbols;
    const Symbol right = static_cast<Symbol>(random()) % num_symbols;
    merges.add(left, right, merges.add_rank(static_cast<Symbol>(4 + i)));
  }
  return merges;
}

TEST(Merges, AgreeWithTheDefinition) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const MergeTable merges = random_merges(random, 1 + random() % 40);
    std::vector<Symbol> symbols(random() % 300);  // both sides of the limit between the algorithms
    for (Symbol& symbol : symbols) symbol = static_cast<Symbol>(random() % 4);
    EXPECT_EQ(merge(merges, symbols), merge_naively(merges, symbols));
  }
}

TEST(Merges, PairsWithoutAMergeHaveNoRank) {
  MergeTable merges(1000);
  for (Symbol i = 0; i < 1000; ++i) merges.add(i, i + 1, merges.add_rank(i));
  for (Symbol i = 0; i < 1000; ++i) {
    EXPECT_EQ(merges.rank(i, i + 1), i);
    EXPECT_EQ(merges.rank(i + 1, i), MergeTable::kNone);
  }
  const Symbol last = kMaxVocabulary - 2;
  EXPECT_EQ(merges.rank(last, last), MergeTable::kNone);
}

TEST(Merges, TheLastRankOfAPairCounts) {
  MergeTable merges(2);
  merges.add(1, 2, merges.add_rank(3));
  merges.add(1, 2, merges.add_rank(4));
  EXPECT_EQ(merges.merged(merges.rank(1, 2)), 4u);
}

TEST(Merges, MillionsOfEqualSymbolsTakeNoQuadraticTime) {
  MergeTable merges(20);
  for (Symbol i = 0; i < 20; ++i) merges.add(i, i, merges.add_rank(i + 1));
  const auto merged = merge(merges, std::vector<Symbol>(1'000'000, 0));
  EXPECT_LT(merged.size(), 20u);
}

TEST(ShortKey, IsTheBytesForEveryLength) {
  const std::string bytes = "abcdefghijklmnop";
  for (std::size_t size = 1; size <= 16; ++size) {
    const std::string text = bytes.substr(0, size);  // alone in its memory: reads beyond would show
    char padded[16] = {};
    text.copy(padded, size);
    EXPECT_EQ(short_key(text), (ShortKey{load_bytes_8(padded), load_bytes_8(padded + 8)})) << size;
  }
}

TEST(WordCache, HoldsAWordForItsOwnerOnly) {
  WordCache& cache = WordCache::of_this_thread();
  const ShortKey key = short_key("word");
  const TokenId ids[] = {1, 2, 3};
  WordCache::Pair& pair = cache.pair(key, 90'001);
  WordCache::fill(pair, key, 4, 90'001, ids);
  const WordCache::Line& line = pair[0];
  EXPECT_TRUE(line.holds(key, 4, 90'001));
  EXPECT_FALSE(line.holds(key, 4, 90'002));
  EXPECT_FALSE(line.holds(key, 5, 90'001));
  EXPECT_EQ(line.ids().size(), 3u);
  const std::vector<TokenId> too_many(WordCache::kMaxTokens + 1);
  WordCache::fill(pair, short_key("other"), 5, 90'001, too_many);
  EXPECT_TRUE(line.holds(key, 4, 90'001));
  WordCache::fill(pair, short_key("other"), 5, 90'001, ids);
  EXPECT_TRUE(pair[0].holds(short_key("other"), 5, 90'001));
  EXPECT_TRUE(pair[1].holds(key, 4, 90'001)) << "the newest but one stays";
  WordCache::fill(pair, short_key("third"), 5, 90'001, ids);
  EXPECT_TRUE(pair[1].holds(short_key("other"), 5, 90'001));
}

}  // namespace
}  // namespace millrace::text
