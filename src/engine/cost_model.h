// CostModel: how long a step will take, learnt while serving.
//   seconds = c0 + c1·new tokens + c2·attended tokens + c3·sequences,  c ≥ 0
// A Kalman filter whose coefficients drift slowly (Simon, Optimal State Estimation, ch. 5):
// directions that the steps do not excite keep what is known of them, so that hours of equal steps
// do not spoil the first different one. Pure: times come in as numbers. Not thread-safe.
#pragma once

#include <array>

#include "engine/step_plan.h"

namespace millrace::engine {

class CostModel {
 public:
  CostModel();
  void observe(const StepLoad& load, double seconds);
  // The expected duration; 0 before the first observation.
  double predict(const StepLoad& load) const;
  // The most tokens, at most `limit`, that a prefill chunk starting at position `start` may have
  // for `load` plus the chunk to stay within `seconds`.
  int max_chunk(const StepLoad& load, std::int64_t start, double seconds, int limit) const;
  // Mean relative error of recent predictions, made before each observation.
  double mean_relative_error() const { return relative_error_; }
  int num_observations() const { return num_observations_; }

 private:
  static constexpr int kSize = 4;
  using Features = std::array<double, kSize>;
  static Features features(const StepLoad& load);
  double dot(const Features& x) const;
  void keep_positive();

  std::array<double, kSize> coefficients_{};
  std::array<std::array<double, kSize>, kSize> covariance_{};
  double relative_error_ = 0;
  int num_observations_ = 0;
};

// The chunk [start, start + num_tokens) of a sequence, added to a load.
StepLoad with_chunk(StepLoad load, std::int64_t start, int num_tokens);

}  // namespace millrace::engine
