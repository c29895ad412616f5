#include "engine/cost_model.h"

#include <algorithm>
#include <cmath>

namespace millrace::engine {

namespace {

// In units of the observation noise: how far a coefficient may drift a step, which sets the gain to
// about sqrt(drift), and how unsure one can be at most.
constexpr double kDrift = 1e-4;
// … and while predictions are off by more than kWrong of the time: whatever taught the model was
// not what it sees now.
constexpr double kDriftWhenWrong = 1e-2, kWrong = 0.3;
constexpr double kMaxVariance = 100.0;
// Features are scaled to be about 1 in ordinary steps.
constexpr double kTokenUnit = 1.0 / 64, kAttendedUnit = 1.0 / 16384, kSequenceUnit = 1.0 / 16;
// A step slower than this many times its prediction is the machine's hiccup, not its load.
constexpr double kHiccup = 8.0;
constexpr int kNumTrusting = 8;  // observations before hiccups are recognised

}  // namespace

StepLoad with_chunk(StepLoad load, std::int64_t start, int num_tokens) {
  const std::int64_t n = num_tokens;
  load.num_new_tokens += num_tokens;
  load.num_sequences += 1;
  load.num_attended_tokens += n * start + n * (n + 1) / 2;
  return load;
}

CostModel::CostModel() {
  for (std::size_t i = 0; i < kSize; ++i) covariance_[i][i] = kMaxVariance;
}

CostModel::Features CostModel::features(const StepLoad& load) {
  return {1.0, load.num_new_tokens * kTokenUnit,
          static_cast<double>(load.num_attended_tokens) * kAttendedUnit,
          load.num_sequences * kSequenceUnit};
}

double CostModel::dot(const Features& x) const {
  double sum = 0;
  for (std::size_t i = 0; i < kSize; ++i) sum += coefficients_[i] * x[i];
  return sum;
}

double CostModel::predict(const StepLoad& load) const {
  return dot(features(load));
}

void CostModel::observe(const StepLoad& load, double seconds) {
  if (!(seconds >= 0) || !std::isfinite(seconds)) return;
  const Features x = features(load);
  const double predicted = dot(x);
  double error = seconds - predicted;
  ++num_observations_;
  if (num_observations_ > kNumTrusting && predicted > 0) {
    error = std::min(error, kHiccup * predicted);
    relative_error_ += 0.02 * (std::min(std::abs(error) / seconds, 1.0) - relative_error_);
  }

  Features px{};
  double denominator = 1.0;
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) px[i] += covariance_[i][j] * x[j];
    denominator += x[i] * px[i];
  }
  for (std::size_t i = 0; i < kSize; ++i) coefficients_[i] += px[i] / denominator * error;
  keep_positive();

  const double drift = relative_error_ > kWrong ? kDriftWhenWrong : kDrift;
  for (std::size_t i = 0; i < kSize; ++i) {
    for (std::size_t j = 0; j < kSize; ++j) covariance_[i][j] -= px[i] * px[j] / denominator;
    covariance_[i][i] = std::min(covariance_[i][i] + drift, kMaxVariance);
  }
}

// A coefficient below 0 becomes 0, and the others move as far as they depend on it (projection onto
// the constraint, Simon, ch. 7.5). Cut off alone it would take the correction with it: where the
// others rise because it falls, every step would push them further away.
void CostModel::keep_positive() {
  for (std::size_t round = 0; round < kSize; ++round) {
    const auto lowest = std::ranges::min_element(coefficients_);
    if (*lowest >= 0) return;
    const auto i = static_cast<std::size_t>(lowest - coefficients_.begin());
    const double excess = *lowest / covariance_[i][i];
    for (std::size_t j = 0; j < kSize; ++j) coefficients_[j] -= covariance_[j][i] * excess;
    coefficients_[i] = 0;
  }
  for (double& c : coefficients_) c = std::max(c, 0.0);
}

int CostModel::max_chunk(const StepLoad& load, std::int64_t start, double seconds,
                         int limit) const {
  int low = 0, high = std::max(limit, 0);
  while (low < high) {
    const int middle = low + (high - low + 1) / 2;
    if (predict(with_chunk(load, start, middle)) <= seconds) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace millrace::engine
