// When open-loop requests are due: gaps drawn from a gamma distribution.
#pragma once

#include <cstdint>
#include <random>

#include "loadgen/lengths.h"

namespace millrace::loadgen {

class Arrivals {
 public:
  // `rate` requests a second on average. `burstiness` is the gamma's shape: 1 makes a Poisson
  // process, less makes bursts, more evens the gaps out (their coefficient of variation is
  // 1 / sqrt(burstiness)).
  Arrivals(double rate, double burstiness, std::uint64_t seed)
      : random_(random_for(seed, 0x61727269, 0)), gaps_(burstiness, 1 / (rate * burstiness)) {}

  // Seconds since the start, ascending; the first gap precedes the first request.
  double next() { return at_ += gaps_(random_); }

 private:
  Random random_;
  std::gamma_distribution<double> gaps_;
  double at_ = 0;
};

}  // namespace millrace::loadgen
