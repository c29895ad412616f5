#include "backends/short_runs.h"

#include <gtest/gtest.h>

namespace millrace::backends {
namespace {

// As often as it takes until the times count.
void tried(ShortRuns& runs, std::size_t bytes, std::int64_t ns) {
  for (std::uint32_t i = 0; i < ShortRuns::kFirstTries; ++i) runs.ran_here(bytes, ns);
}

TEST(ShortRuns, NothingIsTriedHereBeforeItWasSeenElsewhere) {
  ShortRuns runs;
  EXPECT_FALSE(runs.run_here(16));
  runs.ran_elsewhere(40'000);
  EXPECT_TRUE(runs.run_here(16));
}

TEST(ShortRuns, WhatTakesLongElsewhereIsNotTried) {
  ShortRuns runs;
  runs.ran_elsewhere(ShortRuns::kWorthTryingNs);
  EXPECT_FALSE(runs.run_here(16));
}

TEST(ShortRuns, StaysHereWhileShort) {
  ShortRuns runs;
  runs.ran_elsewhere(60'000);
  runs.ran_here(16, 8'000);
  for (int i = 0; i < 3000; ++i) EXPECT_TRUE(runs.run_here(16)) << i;
}

TEST(ShortRuns, OneLongTimeChangesNothing) {
  ShortRuns runs;
  runs.ran_elsewhere(60'000);
  runs.ran_here(16, 8'000);
  runs.ran_here(16, 50'000'000);
  EXPECT_TRUE(runs.run_here(16));
}

TEST(ShortRuns, TheFirstRunOfAThreadMayBeLong) {
  ShortRuns runs;
  runs.ran_elsewhere(60'000);
  runs.ran_here(16, 900'000);
  runs.ran_here(16, 8'000);
  EXPECT_TRUE(runs.is_instant(16));
}

TEST(ShortRuns, AFirstRunBeyondAllMeasureIsNotTheLastTry) {
  ShortRuns runs;
  runs.ran_elsewhere(60'000);
  runs.ran_here(16, 30'000'000);
  EXPECT_TRUE(runs.run_here(16));
}

TEST(ShortRuns, LeavesWhenTimesStayLong) {
  ShortRuns runs;
  runs.ran_elsewhere(60'000);
  runs.ran_here(16, 50'000);
  for (int i = 0; i < 30; ++i) runs.ran_here(16, 400'000);
  (void)runs.run_here(16);  // the one that looks again
  EXPECT_FALSE(runs.run_here(16));
}

TEST(ShortRuns, LargerInputsAreExpectedToTakeLonger) {
  ShortRuns runs;
  runs.ran_elsewhere(60'000);
  tried(runs, 10'000, 20'000);
  (void)runs.run_here(10'000);
  EXPECT_TRUE(runs.run_here(40'000));
  EXPECT_FALSE(runs.run_here(60'000));
}

TEST(ShortRuns, LooksAgainNowAndThen) {
  ShortRuns runs;
  runs.ran_elsewhere(60'000);
  tried(runs, 16, 300'000);
  int count = 0;
  for (std::uint32_t i = 0; i < 4 * ShortRuns::kTryAgainEvery; ++i) count += runs.run_here(16);
  EXPECT_EQ(count, 4);
}

}  // namespace
}  // namespace millrace::backends
