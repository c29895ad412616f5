#include "base/clock.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Clock, WallAndSteady) {
  EXPECT_GT(unix_seconds(), 1'700'000'000);
  const TimePoint now = Clock::now();
  EXPECT_DOUBLE_EQ(seconds_between(now, now + std::chrono::milliseconds(1500)), 1.5);
}

}  // namespace
}  // namespace millrace
