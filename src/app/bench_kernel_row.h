// One measurement of `bench kernels`.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace millrace::app {

struct KernelRow {
  std::string op, kind;  // of weights, or of K and V
  int m = 0, n = 0, k = 0;
  double seconds = 0, bytes_per_second = 0, flops = 0;
  double of_bandwidth = 0, of_compute = 0;
};

// The median of single calls over `seconds`, after one that warms up.
template <class Call>
double median_seconds(double seconds, const Call& call) {
  using SteadyClock = std::chrono::steady_clock;
  call();
  std::vector<double> times;
  const auto start = SteadyClock::now();
  while (times.size() < 5 ||
         std::chrono::duration<double>(SteadyClock::now() - start).count() < seconds) {
    const auto began = SteadyClock::now();
    call();
    times.push_back(std::chrono::duration<double>(SteadyClock::now() - began).count());
    if (times.size() >= 100'000) break;
  }
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

}  // namespace millrace::app
