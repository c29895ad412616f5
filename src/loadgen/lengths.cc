#include "loadgen/lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

namespace millrace::loadgen {
namespace {

// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
std::uint64_t split_mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::optional<double> read_number(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<int> read_length(std::string_view text) {
  const auto value = read_number(text);
  if (!value || *value < 1 || *value > kMaxLength || *value != std::floor(*value))
    return std::nullopt;
  return static_cast<int>(*value);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Random random_for(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  return Random(split_mix(split_mix(split_mix(seed) ^ stream) ^ index));
}

LengthDistribution LengthDistribution::fixed(int tokens) {
  LengthDistribution lengths;
  lengths.min_ = lengths.max_ = tokens;
  lengths.text_ = fmt::format("{}", tokens);
  return lengths;
}

LengthDistribution LengthDistribution::lognormal(double median, double sigma, int min, int max) {
  LengthDistribution lengths;
  lengths.kind_ = Kind::lognormal;
  lengths.median_ = median;
  lengths.sigma_ = sigma;
  lengths.min_ = min;
  lengths.max_ = max;
  lengths.text_ = fmt::format("lognormal:{},{},{},{}", median, sigma, min, max);
  return lengths;
}

Result<LengthDistribution> LengthDistribution::parse(std::string_view text,
                                                     const std::string& param) {
  const auto wrong = [&] {
    return invalid(fmt::format("--{} \"{}\": expected a number of tokens, uniform:MIN-MAX or "
                               "lognormal:MEDIAN,SIGMA[,MIN,MAX]",
                               param, text),
                   param);
  };
  const std::size_t colon = text.find(':');
  const std::string_view kind = colon == std::string_view::npos ? "fixed" : text.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (kind == "fixed") {
    const auto tokens = read_length(rest);
    if (!tokens) return wrong();
    return fixed(*tokens);
  }
  if (kind == "uniform") {
    const auto parts = split(rest, '-');
    if (parts.size() != 2) return wrong();
    const auto min = read_length(parts[0]), max = read_length(parts[1]);
    if (!min || !max || *min > *max) return wrong();
    LengthDistribution lengths;
    lengths.kind_ = Kind::uniform;
    lengths.min_ = *min;
    lengths.max_ = *max;
    lengths.text_ = fmt::format("uniform:{}-{}", *min, *max);
    return lengths;
  }
  if (kind == "lognormal") {
    const auto parts = split(rest, ',');
    if (parts.size() != 2 && parts.size() != 4) return wrong();
    const auto median = read_number(parts[0]), sigma = read_number(parts[1]);
    const auto min = parts.size() == 4 ? read_length(parts[2]) : std::optional(1);
    const auto max = parts.size() == 4 ? read_length(parts[3]) : std::optional(kMaxLength);
    if (!median || *median < 1 || *median > kMaxLength || !sigma || *sigma < 0 || *sigma > 10 ||
        !min || !max || *min > *max)
      return wrong();
    return lognormal(*median, *sigma, *min, *max);
  }
  return wrong();
}

int LengthDistribution::draw(Random& random) const {
  switch (kind_) {
    case Kind::fixed:
      return min_;
    case Kind::uniform:
      return std::uniform_int_distribution(min_, max_)(random);
    case Kind::lognormal: {
      std::lognormal_distribution<double> lengths(std::log(median_), sigma_);
      return static_cast<int>(std::clamp(std::round(lengths(random)), 1.0 * min_, 1.0 * max_));
    }
  }
  return min_;
}

LengthDistribution sharegpt_prompts() {
  return LengthDistribution::lognormal(64, 1.4, 4, 2048);
}

LengthDistribution sharegpt_outputs() {
  return LengthDistribution::lognormal(238, 0.85, 4, 2048);
}

}  // namespace millrace::loadgen
