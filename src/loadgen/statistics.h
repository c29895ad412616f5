// Percentiles and what else a list of latencies becomes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace millrace::loadgen {

// Linear interpolation between closest ranks (Hyndman and Fan's type 7, as numpy and R do it).
// `sorted` is ascending and not empty; q in [0, 1].
double percentile(std::span<const double> sorted, double q);

struct Summary {
  std::size_t count = 0;  // 0: the rest means nothing
  double mean = 0, min = 0, max = 0;
  double p50 = 0, p90 = 0, p95 = 0, p99 = 0;
  // The inverse of the cumulative distribution at kQuantileSteps + 1 even steps, for plots.
  std::vector<double> quantiles{};
};
inline constexpr int kQuantileSteps = 200;

Summary summarise(std::vector<double> values);

// How much of [0, seconds) fell into each bucket of `width` seconds; what lies outside is dropped.
std::vector<double> histogram_over_time(std::span<const double> at, double seconds, double width);
// A width from {1, 2, 5} × 10^n seconds, 0.1 at least, that gives at most `most` buckets.
double bucket_width(double seconds, int most);

}  // namespace millrace::loadgen
