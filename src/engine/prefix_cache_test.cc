#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace millrace::engine {
namespace {

using Tokens = std::vector<TokenId>;

// Vectors of the reference implementation (vectors.h, key 00..0f, input 00..): whole words only.
TEST(SipHash, ReferenceVectors) {
  const HashKey key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(siphash(key, {}), 0x726fdb47dd0e0e31u);
  const std::vector<std::uint64_t> one{0x0706050403020100};
  EXPECT_EQ(siphash(key, one), 0x93f5f5799a932462u);
}

TEST(PrefixCache, FindsOnlyTheSameTokensAfterTheSameParent) {
  PrefixCache cache(8, 2, {1, 2});
  const ScopeId scope = cache.acquire_scope("t", "");
  cache.insert(scope, cache.root(scope), Tokens{1, 2}, 0);
  cache.insert(scope, cache.node(0), Tokens{3, 4}, 1);
  EXPECT_EQ(cache.find(cache.root(scope), Tokens{1, 2}), 0);
  EXPECT_EQ(cache.find(cache.node(0), Tokens{3, 4}), 1);
  EXPECT_EQ(cache.find(cache.root(scope), Tokens{3, 4}), -1);
  EXPECT_EQ(cache.find(cache.node(1), Tokens{1, 2}), -1);
  EXPECT_EQ(cache.find(cache.root(scope), Tokens{2, 1}), -1);
  cache.erase(0);
  EXPECT_EQ(cache.find(cache.root(scope), Tokens{1, 2}), -1);
  cache.insert(scope, cache.root(scope), Tokens{1, 2}, 5);
  EXPECT_EQ(cache.find(cache.node(5), Tokens{3, 4}), -1) << "a new parent adopted an old child";
}

TEST(PrefixCache, ScopesDoNotMeet) {
  PrefixCache cache(8, 2, {1, 2});
  const ScopeId a = cache.acquire_scope("a", ""), b = cache.acquire_scope("b", "");
  const ScopeId salted = cache.acquire_scope("a", "s"), trick = cache.acquire_scope("as", "");
  cache.insert(a, cache.root(a), Tokens{1, 2}, 0);
  for (const ScopeId other : {b, salted, trick})
    EXPECT_EQ(cache.find(cache.root(other), Tokens{1, 2}), -1);
  EXPECT_EQ(cache.acquire_scope("a", ""), a);
}

TEST(PrefixCache, ScopesLiveAsLongAsTheirBlocks) {
  PrefixCache cache(8, 2, {1, 2});
  for (int i = 0; i < 1000; ++i) cache.release_scope(cache.acquire_scope("t", std::to_string(i)));
  EXPECT_EQ(cache.num_scopes(), 0);
  const ScopeId scope = cache.acquire_scope("t", "x");
  cache.insert(scope, cache.root(scope), Tokens{1, 2}, 0);
  const NodeId root = cache.root(scope);
  cache.release_scope(scope);
  EXPECT_EQ(cache.num_scopes(), 1);
  EXPECT_EQ(cache.root(cache.acquire_scope("t", "x")), root);
  cache.release_scope(scope);
  cache.erase(0);
  EXPECT_EQ(cache.num_scopes(), 0);
}

// Against a plain map of whole prefixes.
TEST(PrefixCache, AgreesWithAMapOfPrefixes) {
  constexpr int kBlocks = 200;
  PrefixCache cache(kBlocks, 2, {3, 4});
  const ScopeId scope = cache.acquire_scope("", "");
  std::mt19937 random(7);
  std::map<Tokens, BlockId> blocks;  // prefix → block
  std::map<BlockId, Tokens> prefixes;
  std::vector<BlockId> unused;
  for (BlockId b = 0; b < kBlocks; ++b) unused.push_back(b);
  for (int round = 0; round < 20000; ++round) {
    Tokens prefix;
    NodeId parent = cache.root(scope);
    for (int depth = 0; depth < 4; ++depth) {
      const Tokens block{static_cast<TokenId>(random() % 4), static_cast<TokenId>(random() % 3)};
      prefix.insert(prefix.end(), block.begin(), block.end());
      const auto known = blocks.find(prefix);
      const BlockId found = cache.find(parent, block);
      ASSERT_EQ(found, known == blocks.end() ? -1 : known->second);
      if (found < 0) {
        if (unused.empty()) break;
        cache.insert(scope, parent, block, unused.back());
        blocks[prefix] = unused.back();
        prefixes[unused.back()] = prefix;
        unused.pop_back();
      }
      parent = cache.node(blocks[prefix]);
    }
    // Erase a leaf now and then, so that no orphan is made.
    const auto victim = std::next(blocks.begin(), static_cast<long>(random() % blocks.size()));
    const auto after = std::next(victim);
    const bool has_child =
        after != blocks.end() && after->first.size() > victim->first.size() &&
        std::equal(victim->first.begin(), victim->first.end(), after->first.begin());
    if (has_child) continue;
    cache.erase(victim->second);
    unused.push_back(victim->second);
    blocks.erase(victim);
  }
}

}  // namespace
}  // namespace millrace::engine
