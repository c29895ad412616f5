#include "engine/block_pool.h"

#include <gtest/gtest.h>

namespace millrace::engine {
namespace {

TEST(BlockPool, HandsOutEachBlockOnce) {
  BlockPool pool(3);
  std::vector<BlockId> got;
  for (int i = 0; i < 3; ++i) got.push_back(pool.allocate().block);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (std::vector<BlockId>{0, 1, 2}));
  EXPECT_EQ(pool.allocate().block, -1);
  EXPECT_EQ(pool.num_referenced(), 3);
  for (const BlockId b : got) pool.release(b);
  EXPECT_EQ(pool.num_free(), 3);
  EXPECT_EQ(pool.check_integrity(), "");
}

TEST(BlockPool, EvictsTheLeastRecentlyReleasedOnlyWhenNothingIsFree) {
  BlockPool pool(3);
  const BlockId a = pool.allocate().block, b = pool.allocate().block;
  pool.mark_reusable(a, 0);
  pool.mark_reusable(b, 0);
  pool.release(b);
  pool.release(a);
  EXPECT_EQ(pool.num_cached(), 2);
  EXPECT_FALSE(pool.allocate().evicted);  // the third, still free
  const auto first = pool.allocate();
  EXPECT_TRUE(first.evicted);
  EXPECT_EQ(first.block, b);
  pool.retain(a);  // a prefix hit takes it out of the list
  EXPECT_EQ(pool.allocate().block, -1);
  EXPECT_EQ(pool.ref_count(a), 1);
  EXPECT_EQ(pool.check_integrity(), "");
}

TEST(BlockPool, FloodingGroupEvictsItsOwn) {
  BlockPool pool(8);
  std::vector<BlockId> all;
  for (int i = 0; i < 8; ++i) all.push_back(pool.allocate().block);
  for (int i = 0; i < 8; ++i) pool.mark_reusable(all[static_cast<std::size_t>(i)], i < 2 ? 1 : 2);
  for (const BlockId b : all) pool.release(b);  // group 1's two are the oldest
  for (int i = 0; i < 4; ++i) {
    const BlockId evicted = pool.allocate().block;
    EXPECT_NE(evicted, all[0]);
    EXPECT_NE(evicted, all[1]);
  }
  EXPECT_EQ(pool.check_integrity(), "");
}

TEST(BlockPool, ForgottenBlocksAreFree) {
  BlockPool pool(2);
  const BlockId a = pool.allocate().block, b = pool.allocate().block;
  pool.mark_reusable(a, 3);
  pool.mark_reusable(b, 3);
  pool.release(a);
  pool.forget(a);
  pool.forget(b);
  EXPECT_EQ(pool.num_free(), 1);
  pool.release(b);
  EXPECT_EQ(pool.num_free(), 2);
  EXPECT_EQ(pool.num_cached(), 0);
  EXPECT_EQ(pool.check_integrity(), "");
}

TEST(BlockPoolDeath, DoubleReleaseIsABug) {
  BlockPool pool(1);
  const BlockId a = pool.allocate().block;
  pool.release(a);
  EXPECT_DEATH(pool.release(a), "");
}

}  // namespace
}  // namespace millrace::engine
