#include "loadgen/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace millrace::loadgen {
namespace {

struct Case {
  std::vector<double> values;
  double p50, p90, p95, p99, mean;
};

// Expected values: numpy.percentile(values, [50, 90, 95, 99]) and mean(), numpy's default method.
TEST(Statistics, percentiles_are_numpys) {
  const std::vector<Case> cases = {
      {{20.11}, 20.11, 20.11, 20.11, 20.11, 20.11},
      {{27.079, 15.27}, 21.1745, 25.8981, 26.48855, 26.96091, 21.1745},
      {{8.243, 12.747, 7.451}, 8.243, 11.8462, 12.2966, 12.65692, 9.48033333},
      {{21.331, 76.724, 12.278, 10.8, 32.781, 28.7, 22.318, 7.921, 19.507, 40.258},
       21.8245,
       43.9046,
       60.3143,
       73.44206,
       27.2618}};
  for (const Case& expected : cases) {
    const Summary got = summarise(expected.values);
    EXPECT_NEAR(got.p50, expected.p50, 1e-7);
    EXPECT_NEAR(got.p90, expected.p90, 1e-7);
    EXPECT_NEAR(got.p95, expected.p95, 1e-7);
    EXPECT_NEAR(got.p99, expected.p99, 1e-7);
    EXPECT_NEAR(got.mean, expected.mean, 1e-7);
  }
}

TEST(Statistics, percentiles_of_a_thousand_are_numpys) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(std::pow(i * 7919 % 1009, 1.5));
  const Summary got = summarise(values);
  EXPECT_EQ(got.count, 1000U);
  EXPECT_EQ(got.min, 0);
  EXPECT_NEAR(got.p50, 11365.326047072878, 1e-6);
  EXPECT_NEAR(got.p90, 27320.130419367597, 1e-6);
  EXPECT_NEAR(got.p95, 29653.930901489515, 1e-6);
  EXPECT_NEAR(got.p99, 31528.42970762123, 1e-6);
  EXPECT_NEAR(got.max, 32003.007858637287, 1e-6);
  EXPECT_NEAR(got.mean, 12827.726043094211, 1e-6);
  ASSERT_EQ(got.quantiles.size(), kQuantileSteps + 1U);
  EXPECT_EQ(got.quantiles.front(), got.min);
  EXPECT_EQ(got.quantiles.back(), got.max);
  EXPECT_NEAR(got.quantiles[kQuantileSteps / 2], got.p50, 1e-9);
}

TEST(Statistics, nothing_measured_is_no_number) {
  const Summary got = summarise({});
  EXPECT_EQ(got.count, 0U);
  EXPECT_TRUE(got.quantiles.empty());
}

TEST(Statistics, time_falls_into_buckets) {
  const std::vector<double> at = {-0.1, 0, 0.9, 1.0, 2.49, 2.5, 7};
  EXPECT_EQ(histogram_over_time(at, 2.5, 1), (std::vector<double>{2, 1, 1}));
}

TEST(Statistics, buckets_are_round_and_few) {
  EXPECT_DOUBLE_EQ(bucket_width(3, 120), 0.1);
  EXPECT_DOUBLE_EQ(bucket_width(60, 120), 0.5);
  EXPECT_DOUBLE_EQ(bucket_width(600, 120), 5);
  EXPECT_DOUBLE_EQ(bucket_width(3600, 120), 50);
}

}  // namespace
}  // namespace millrace::loadgen
