#include "serving/batch_policy.h"

#include <algorithm>
#include <ranges>

namespace millrace::serving {
namespace {

constexpr double kFade = 0.98;           // of a batch's weight, each time another ends
constexpr double kArrivalShare = 0.1;    // of the newest gap in the mean gap
constexpr double kLongestGap = 1.0;      // seconds; a pause says nothing about the rate
constexpr double kDeadlineMargin = 1.2;  // batches may take this much longer than predicted
constexpr double kPatience = 3;          // usual distances between arrivals without one

Clock::duration ticks(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void BatchPolicy::on_arrival(TimePoint now, std::int64_t) {
  if (last_arrival_ != TimePoint{}) {
    const double gap = std::min(kLongestGap, std::max(0.0, seconds_between(last_arrival_, now)));
    between_arrivals_ = between_arrivals_ == 0
                            ? gap
                            : (1 - kArrivalShare) * between_arrivals_ + kArrivalShare * gap;
  }
  last_arrival_ = now;
}

void BatchPolicy::on_batch(std::int64_t rows, std::chrono::nanoseconds took) {
  const auto x = static_cast<double>(rows);
  const double y = std::chrono::duration<double>(took).count();
  weight_ = kFade * weight_ + 1;
  sum_rows_ = kFade * sum_rows_ + x;
  sum_seconds_ = kFade * sum_seconds_ + y;
  sum_rows_rows_ = kFade * sum_rows_rows_ + x * x;
  sum_rows_seconds_ = kFade * sum_rows_seconds_ + x * y;
  fit();
}

void BatchPolicy::fit() {
  const double mean_rows = sum_rows_ / weight_, mean_seconds = sum_seconds_ / weight_;
  const double variance = sum_rows_rows_ / weight_ - mean_rows * mean_rows;
  if (variance < 0.05) {  // batches of one size: nothing is known about what a row adds
    per_row_ = mean_rows > 0 ? mean_seconds / mean_rows : 0;
    fixed_ = 0;
    return;
  }
  const double covariance = sum_rows_seconds_ / weight_ - mean_rows * mean_seconds;
  per_row_ = std::clamp(covariance / variance, 0.0, mean_seconds / mean_rows);
  fixed_ = mean_seconds - per_row_ * mean_rows;
}

double BatchPolicy::predicted_seconds(std::int64_t rows) const {
  return fixed_ + per_row_ * static_cast<double>(rows);
}

std::int64_t BatchPolicy::rows_to_take(std::int64_t num_rows) const {
  for (const int size : limits_.preferred_rows | std::views::reverse) {
    if (size <= limits_.max_rows && size <= num_rows) return size;
  }
  return limits_.max_rows;
}

TimePoint BatchPolicy::before_deadline(TimePoint until, const Waiting& waiting) const {
  if (waiting.earliest_deadline == kNever) return until;
  const double needed = kDeadlineMargin * predicted_seconds(waiting.num_rows + 1);
  return std::min(until, waiting.earliest_deadline - ticks(needed));
}

TimePoint BatchPolicy::run_at(const Waiting& waiting, TimePoint now) const {
  if (waiting.num_rows >= limits_.max_rows) return now;
  const auto& preferred = limits_.preferred_rows;
  if (!preferred.empty() && waiting.num_rows >= preferred.front()) return now;
  if (limits_.fixed_delay) {
    return before_deadline(
        waiting.oldest + std::chrono::duration_cast<Clock::duration>(*limits_.fixed_delay),
        waiting);
  }
  // One more request saves the fixed part of a batch of its own. Waiting for it costs its distance
  // for every request that waits. Where a single client asks again only after its answer, the
  // distance is longer than a batch, so it never waits.
  if (between_arrivals_ <= 0) return now;
  const double cost =
      between_arrivals_ * static_cast<double>(std::max<std::int64_t>(1, waiting.num_requests));
  if (cost >= fixed_) return now;
  // Never longer than what a batch of its own costs; and when nothing came for thrice the usual
  // distance, it may not come.
  TimePoint until = waiting.oldest + std::min<Clock::duration>(limits_.max_delay, ticks(fixed_));
  until = std::min(until,
                   std::max(waiting.oldest, last_arrival_) + ticks(kPatience * between_arrivals_));
  return before_deadline(until, waiting);
}

}  // namespace millrace::serving
