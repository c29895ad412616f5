#include "loadgen/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace millrace::loadgen {
namespace {

struct Gaps {
  double mean, variation;  // standard deviation over mean
};

Gaps measure(double rate, double burstiness) {
  constexpr int kCount = 200'000;
  Arrivals arrivals(rate, burstiness, 11);
  double last = 0, sum = 0, squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double at = arrivals.next();
    EXPECT_GE(at, last);
    const double gap = at - last;
    last = at;
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / kCount;
  return {mean, std::sqrt(squares / kCount - mean * mean) / mean};
}

TEST(Arrivals, poisson_gaps_have_the_rate_and_unit_variation) {
  const Gaps gaps = measure(50, 1);
  EXPECT_NEAR(gaps.mean, 0.02, 0.0002);
  EXPECT_NEAR(gaps.variation, 1, 0.02);
}

TEST(Arrivals, bursty_gaps_keep_the_rate_and_vary_more) {
  const Gaps gaps = measure(50, 0.25);
  EXPECT_NEAR(gaps.mean, 0.02, 0.0004);
  EXPECT_NEAR(gaps.variation, 2, 0.05);
}

TEST(Arrivals, counts_in_a_second_are_poisson) {
  // Mean and variance of the count are equal: the index of dispersion is 1.
  Arrivals arrivals(20, 1, 3);
  constexpr int kSeconds = 5000;
  std::vector<int> counts(kSeconds);
  for (double at = arrivals.next(); at < kSeconds; at = arrivals.next())
    ++counts[static_cast<std::size_t>(at)];
  double sum = 0, squares = 0;
  for (const int count : counts) {
    sum += count;
    squares += 1.0 * count * count;
  }
  const double mean = sum / kSeconds;
  EXPECT_NEAR(mean, 20, 0.3);
  EXPECT_NEAR((squares / kSeconds - mean * mean) / mean, 1, 0.08);
}

TEST(Arrivals, the_seed_decides) {
  EXPECT_EQ(Arrivals(5, 1, 1).next(), Arrivals(5, 1, 1).next());
  EXPECT_NE(Arrivals(5, 1, 1).next(), Arrivals(5, 1, 2).next());
}

}  // namespace
}  // namespace millrace::loadgen
