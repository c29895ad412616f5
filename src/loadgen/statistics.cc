#include "loadgen/statistics.h"

#include <algorithm>
#include <cmath>

namespace millrace::loadgen {

double percentile(std::span<const double> sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double part = at - static_cast<double>(below);
  return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

Summary summarise(std::vector<double> values) {
  Summary summary;
  summary.count = values.size();
  if (values.empty()) return summary;
  std::ranges::sort(values);
  double sum = 0;
  for (const double value : values) sum += value;
  summary.mean = sum / static_cast<double>(values.size());
  summary.min = values.front();
  summary.max = values.back();
  summary.p50 = percentile(values, 0.5);
  summary.p90 = percentile(values, 0.9);
  summary.p95 = percentile(values, 0.95);
  summary.p99 = percentile(values, 0.99);
  summary.quantiles.reserve(kQuantileSteps + 1);
  for (int i = 0; i <= kQuantileSteps; ++i)
    summary.quantiles.push_back(percentile(values, static_cast<double>(i) / kQuantileSteps));
  return summary;
}

std::vector<double> histogram_over_time(std::span<const double> at, double seconds, double width) {
  const auto count = static_cast<std::size_t>(std::max(1.0, std::ceil(seconds / width)));
  std::vector<double> buckets(count);
  for (const double time : at) {
    if (time < 0 || time >= seconds) continue;
    buckets[std::min(count - 1, static_cast<std::size_t>(time / width))] += 1;
  }
  return buckets;
}

double bucket_width(double seconds, int most) {
  for (double ten = 0.1;; ten *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if (std::ceil(seconds / (ten * step)) <= most) return ten * step;
    }
  }
}

}  // namespace millrace::loadgen
