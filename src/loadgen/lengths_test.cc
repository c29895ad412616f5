#include "loadgen/lengths.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace millrace::loadgen {
namespace {

std::vector<int> draw_many(const LengthDistribution& lengths, int count, std::uint64_t seed) {
  Random random(seed);
  std::vector<int> values(static_cast<std::size_t>(count));
  for (int& value : values) value = lengths.draw(random);
  return values;
}

double mean(const std::vector<int>& values) {
  double sum = 0;
  for (const int value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

TEST(Lengths, fixed_is_fixed) {
  for (const char* text : {"128", "fixed:128"}) {
    const auto lengths = LengthDistribution::parse(text, "prompt");
    ASSERT_TRUE(lengths);
    EXPECT_EQ(mean(draw_many(*lengths, 10, 1)), 128);
    EXPECT_EQ(lengths->text(), "128");
  }
}

TEST(Lengths, uniform_covers_its_range_evenly) {
  const auto lengths = LengthDistribution::parse("uniform:10-19", "prompt");
  ASSERT_TRUE(lengths);
  std::vector<int> counts(10);
  for (const int value : draw_many(*lengths, 100'000, 2)) {
    ASSERT_GE(value, 10);
    ASSERT_LE(value, 19);
    ++counts[static_cast<std::size_t>(value - 10)];
  }
  // Chi-squared with 9 degrees of freedom exceeds 27.9 once in 1000 seeds; the seed is fixed.
  double chi = 0;
  for (const int count : counts) chi += (count - 10'000.0) * (count - 10'000.0) / 10'000.0;
  EXPECT_LT(chi, 27.9);
}

TEST(Lengths, lognormal_has_the_median_and_spread_it_names) {
  const auto lengths = LengthDistribution::parse("lognormal:200,0.5", "prompt");
  ASSERT_TRUE(lengths);
  std::vector<int> values = draw_many(*lengths, 100'000, 3);
  std::ranges::sort(values);
  EXPECT_NEAR(values[50'000], 200, 3);
  EXPECT_NEAR(values[84'134], 200 * std::exp(0.5), 6);  // one sigma above
  EXPECT_NEAR(mean(values), 200 * std::exp(0.125), 3);
}

TEST(Lengths, lognormal_is_cut_at_its_limits) {
  const auto lengths = LengthDistribution::parse("lognormal:100,2,50,150", "prompt");
  ASSERT_TRUE(lengths);
  const auto values = draw_many(*lengths, 10'000, 4);
  EXPECT_EQ(*std::ranges::min_element(values), 50);
  EXPECT_EQ(*std::ranges::max_element(values), 150);
}

TEST(Lengths, sharegpt_has_the_published_means) {
  EXPECT_NEAR(mean(draw_many(sharegpt_prompts(), 200'000, 5)), 161, 8);
  EXPECT_NEAR(mean(draw_many(sharegpt_outputs(), 200'000, 6)), 338, 17);
}

TEST(Lengths, text_reads_back) {
  for (const auto& lengths : {sharegpt_prompts(), sharegpt_outputs()}) {
    const auto again = LengthDistribution::parse(lengths.text(), "prompt");
    ASSERT_TRUE(again) << lengths.text();
    EXPECT_EQ(draw_many(*again, 100, 7), draw_many(lengths, 100, 7));
  }
}

TEST(Lengths, wrong_words_are_named) {
  for (const char* text :
       {"", "0", "-3", "1.5", "x", "uniform:5", "uniform:9-3", "lognormal:5", "lognormal:5,1,2",
        "lognormal:0,1", "lognormal:5,nan", "gamma:3", "9999999999"}) {
    const auto lengths = LengthDistribution::parse(text, "prompt");
    ASSERT_FALSE(lengths) << text;
    EXPECT_NE(lengths.error().message.find("--prompt"), std::string::npos);
  }
}

TEST(Lengths, streams_are_independent_and_repeatable) {
  EXPECT_EQ(random_for(1, 2, 3)(), random_for(1, 2, 3)());
  EXPECT_NE(random_for(1, 2, 3)(), random_for(1, 2, 4)());
  EXPECT_NE(random_for(1, 2, 3)(), random_for(1, 3, 3)());
  EXPECT_NE(random_for(1, 2, 3)(), random_for(2, 2, 3)());
}

}  // namespace
}  // namespace millrace::loadgen
