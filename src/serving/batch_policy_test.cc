#include "serving/batch_policy.h"

#include <gtest/gtest.h>

namespace millrace::serving {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

const TimePoint kStart = TimePoint() + std::chrono::hours(1);

// 1 ms, and 0.1 ms a row.
void learn(BatchPolicy& policy) {
  for (const int rows : {1, 8, 4, 2, 16, 8}) {
    policy.on_batch(rows, microseconds(1000 + 100 * rows));
  }
}
void arrivals(BatchPolicy& policy, microseconds apart, TimePoint until = kStart) {
  for (int i = 50; i >= 0; --i) policy.on_arrival(until - i * apart, 1);
}
Waiting one_since(TimePoint since, TimePoint deadline = kNever) {
  return {.num_requests = 1, .num_rows = 1, .oldest = since, .earliest_deadline = deadline};
}

TEST(BatchPolicy, LearnsTheLine) {
  BatchPolicy policy({.max_rows = 32});
  EXPECT_EQ(policy.predicted_seconds(8), 0);
  learn(policy);
  EXPECT_NEAR(policy.fixed_seconds(), 1e-3, 1e-5);
  EXPECT_NEAR(policy.predicted_seconds(32), 4.2e-3, 1e-5);
}

TEST(BatchPolicy, OneSizeSaysNothingOfTheFixedPart) {
  BatchPolicy policy({.max_rows = 32});
  for (int i = 0; i < 20; ++i) policy.on_batch(1, milliseconds(5));
  EXPECT_EQ(policy.fixed_seconds(), 0);
  EXPECT_NEAR(policy.predicted_seconds(1), 5e-3, 1e-6);
}

TEST(BatchPolicy, DoesNotWaitBeforeItKnows) {
  BatchPolicy policy({.max_rows = 32});
  EXPECT_LE(policy.run_at(one_since(kStart), kStart), kStart);
  arrivals(policy, microseconds(10));
  EXPECT_LE(policy.run_at(one_since(kStart), kStart), kStart);
}

TEST(BatchPolicy, DoesNotWaitForALoneClient) {
  BatchPolicy policy({.max_rows = 32});
  learn(policy);
  arrivals(policy, microseconds(1200));  // asks again when it has its answer
  EXPECT_LE(policy.run_at(one_since(kStart), kStart), kStart);
}

TEST(BatchPolicy, WaitsWhereCompanyIsNear) {
  BatchPolicy policy({.max_rows = 32, .max_delay = milliseconds(2)});
  learn(policy);
  arrivals(policy, microseconds(50));
  const TimePoint until = policy.run_at(one_since(kStart), kStart);
  EXPECT_GT(until, kStart);
  EXPECT_LE(until, kStart + milliseconds(1)) << "no longer than a batch of its own costs";
  Waiting full = one_since(kStart);
  full.num_rows = 32;
  EXPECT_LE(policy.run_at(full, kStart), kStart);
  Waiting many = one_since(kStart);
  many.num_requests = many.num_rows = 25;
  EXPECT_LE(policy.run_at(many, kStart), kStart) << "25 requests that wait cost more than is saved";
}

TEST(BatchPolicy, KeepsTheDelayAndTheDeadline) {
  BatchPolicy policy({.max_rows = 32, .max_delay = microseconds(100)});
  learn(policy);
  arrivals(policy, microseconds(50));
  EXPECT_LE(policy.run_at(one_since(kStart), kStart), kStart + microseconds(100));
  const auto urgent = one_since(kStart, kStart + microseconds(1450));
  EXPECT_LE(policy.run_at(urgent, kStart), kStart + microseconds(11));
  const auto late = one_since(kStart, kStart + microseconds(500));
  EXPECT_LE(policy.run_at(late, kStart), kStart);
}

TEST(BatchPolicy, PreferredSizesRunAtOnceAndAreNotExceeded) {
  const BatchPolicy policy(
      {.max_rows = 32, .preferred_rows = {4, 8}, .fixed_delay = std::chrono::milliseconds(5)});
  const TimePoint now = Clock::now();
  EXPECT_EQ(policy.run_at({.num_requests = 3, .num_rows = 3, .oldest = now}, now),
            now + std::chrono::milliseconds(5));
  EXPECT_EQ(policy.run_at({.num_requests = 4, .num_rows = 4, .oldest = now}, now), now);
  EXPECT_EQ(policy.rows_to_take(3), 32);
  EXPECT_EQ(policy.rows_to_take(7), 4);
  EXPECT_EQ(policy.rows_to_take(20), 8);
}

TEST(BatchPolicy, AFixedDelayIsKeptWhateverWasLearnt) {
  const BatchPolicy policy({.max_rows = 8, .fixed_delay = std::chrono::milliseconds(5)});
  const TimePoint now = Clock::now();
  EXPECT_EQ(policy.run_at({.num_requests = 1, .num_rows = 1, .oldest = now}, now),
            now + std::chrono::milliseconds(5));
  EXPECT_EQ(policy.run_at({.num_requests = 8, .num_rows = 8, .oldest = now}, now), now);
  EXPECT_LE(policy.run_at({.num_requests = 1,
                           .num_rows = 1,
                           .oldest = now,
                           .earliest_deadline = now + std::chrono::milliseconds(1)},
                          now),
            now + std::chrono::milliseconds(1));
}

}  // namespace
}  // namespace millrace::serving
