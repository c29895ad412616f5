// How many tokens a request has: a distribution that people can name, drawn with a seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::loadgen {

using Random = std::mt19937_64;

// Independent generators for independent uses: request `index` draws the same whatever came before.
Random random_for(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

inline constexpr int kMaxLength = 1 << 20;

class LengthDistribution {
 public:
  // "128" or "fixed:128" · "uniform:MIN-MAX" · "lognormal:MEDIAN,SIGMA[,MIN,MAX]", where SIGMA is
  // the standard deviation of the logarithm and lengths beyond MIN or MAX are cut to them.
  static Result<LengthDistribution> parse(std::string_view text, const std::string& param);
  static LengthDistribution fixed(int tokens);
  static LengthDistribution lognormal(double median, double sigma, int min, int max);

  int draw(Random& random) const;
  const std::string& text() const { return text_; }  // as parse() reads it
  int min() const { return min_; }
  int max() const { return max_; }

 private:
  enum class Kind : std::uint8_t { fixed, uniform, lognormal };
  Kind kind_ = Kind::fixed;
  int min_ = 1, max_ = 1;
  double median_ = 1, sigma_ = 0;
  std::string text_;
};

// The shape of chats people shared from ShareGPT: short questions with a long tail, longer answers.
// Log-normals whose means, 160 and 340 tokens, are those the PagedAttention paper (Kwon et al.,
// 2023, §6.1) reports for that data set.
LengthDistribution sharegpt_prompts();
LengthDistribution sharegpt_outputs();

}  // namespace millrace::loadgen
