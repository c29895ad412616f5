#include "serving/company_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

namespace millrace::serving {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

// A machine with two shares and clients that ask again when they have their answer, as long as
// `think` after it: runs as the policy says.
struct Machine {
  int num_clients = 8;
  nanoseconds think{0};
  nanoseconds beside{4000};        // a row's time on a share
  nanoseconds merged_fixed{1000};  // of a merged execution,
  nanoseconds merged_row{2000};    // and of each of its rows
  CompanyPolicy policy{};
  TimePoint now{};
  std::int64_t num_rows = 0;

  // Until so many rows are answered. Returns those that were merged.
  std::int64_t run(std::int64_t rows) {
    std::int64_t merged = 0;
    const std::int64_t end = num_rows + rows;
    while (num_rows < end) {
      if (!policy.merges()) {
        run_beside();
      } else {
        merged += run_merged();
      }
    }
    return merged;
  }

 private:
  // Two at a time, half a time apart, as long as the policy wants that.
  void run_beside() {
    TimePoint started[2] = {now, now + beside / 2};
    for (int i = 0; !policy.merges(); ++i) {
      TimePoint& mine = started[i % 2];
      const TimePoint ended = mine + beside;
      policy.on_end(1, mine, ended);
      ++num_rows;
      now = ended;
      mine = ended;
      if (i > 1000) return;
    }
    now += beside / 2;  // the other one ends
    policy.on_end(1, now - beside, now);
    ++num_rows;
  }

  std::int64_t run_merged() {
    const std::int64_t most = policy.most_rows();
    const auto waiting = std::int64_t{num_clients};
    const std::int64_t rows = most > 0 ? std::min(most, waiting) : waiting;
    now += think;
    const TimePoint started = now;
    now += merged_fixed + rows * merged_row;
    policy.on_end(rows, started, now);
    num_rows += rows;
    return rows;
  }
};

TEST(CompanyPolicy, TriesSideBySideFirstThenMergingAFewRows) {
  Machine machine{.num_clients = 64};
  EXPECT_FALSE(machine.policy.merges());
  EXPECT_EQ(machine.policy.most_rows(), 0);
  while (!machine.policy.merges()) machine.run(1);
  EXPECT_GT(machine.policy.most_rows(), 1);
  EXPECT_LT(machine.policy.most_rows(), 64);
}

TEST(CompanyPolicy, AConvolutionalNetworkRunsSideBySide) {
  Machine machine{.merged_row = nanoseconds(2500)};
  machine.run(1000);
  EXPECT_LT(machine.run(20'000), 1000) << "and merging is tried seldom";
  EXPECT_FALSE(machine.policy.merges());
}

TEST(CompanyPolicy, WideLayersAreMerged) {
  Machine machine{
      .num_clients = 64, .merged_fixed = nanoseconds(4000), .merged_row = nanoseconds(100)};
  machine.run(2000);
  EXPECT_GT(machine.run(100'000), 99'000);
  EXPECT_TRUE(machine.policy.merges());
  EXPECT_EQ(machine.policy.most_rows(), 0);
}

// Merged rows are cheaper here while they are computed; but then all clients wait, and the machine
// for them.
TEST(CompanyPolicy, WhatIsIdleBetweenMergedExecutionsCounts) {
  Machine machine{.num_clients = 3, .think = nanoseconds(2000), .merged_row = nanoseconds(1400)};
  machine.run(1000);
  EXPECT_LT(machine.run(20'000), 1000);
}

TEST(CompanyPolicy, MergingMustGainATenth) {
  Machine near{.merged_fixed = nanoseconds(0), .merged_row = nanoseconds(1900)};
  near.run(1000);
  EXPECT_LT(near.run(20'000), 1000);
  Machine clear{.merged_fixed = nanoseconds(0), .merged_row = nanoseconds(1600)};
  clear.run(1000);
  EXPECT_GT(clear.run(20'000), 19'000);
}

TEST(CompanyPolicy, FollowsTheLoad) {
  Machine machine{
      .num_clients = 64, .merged_fixed = nanoseconds(8000), .merged_row = nanoseconds(100)};
  machine.run(50'000);
  EXPECT_TRUE(machine.policy.merges());
  machine.num_clients = 2;  // 4.1 µs a row against 2
  machine.run(20'000);
  EXPECT_LT(machine.run(20'000), 2000);
  machine.num_clients = 64;
  machine.run(20'000);
  EXPECT_GT(machine.run(20'000), 18'000);
}

TEST(CompanyPolicy, TheFirstSlowExecutionsAndSingleLongOnesDoNotDecide) {
  Machine machine{
      .num_clients = 64, .merged_fixed = nanoseconds(4000), .merged_row = nanoseconds(100)};
  machine.policy.on_end(1, machine.now, machine.now + microseconds(400));
  machine.now += microseconds(400);
  for (int i = 0; i < 40; ++i) {
    machine.run(3000);
    machine.policy.on_end(1, machine.now, machine.now + microseconds(300));  // it was elsewhere
    machine.now += microseconds(300);
  }
  EXPECT_GT(machine.run(20'000), 17'000);
}

TEST(CompanyPolicy, IdleTimeIsNotTheWaysFault) {
  Machine machine{
      .num_clients = 64, .merged_fixed = nanoseconds(4000), .merged_row = nanoseconds(100)};
  machine.run(10'000);
  for (int i = 0; i < 100; ++i) {
    machine.now += std::chrono::seconds(1);  // nobody asks
    machine.run(600);
  }
  EXPECT_GT(machine.run(20'000), 17'000);
}

}  // namespace
}  // namespace millrace::serving
