#include "serving/company_policy.h"

#include <algorithm>
#include <bit>

namespace millrace::serving {
namespace {

constexpr double kNewest = 0.2;  // weight of the newest time
constexpr double kWorthMerging =
    0.9;                        // all wait for a merged execution's end: it must gain this much
constexpr double kClear = 1.3;  // times as dear as the other: unlikely to change
constexpr int kEnough = 4;      // times of side by side that say something; the first is slow
constexpr int kLookAgain = 64;  // executions until the other way is tried again
constexpr int kLookAgainLater = 1024;  // the same where the difference was clear
constexpr int kEnoughMerged = 2;       // of a size, for the same reason
constexpr std::int64_t kRowsToLearn = 8;

double per_row(std::chrono::nanoseconds took, double rows) {
  return std::max(1e-9, std::chrono::duration<double>(took).count() / std::max(1.0, rows));
}

}  // namespace

// Whatever else the machine does makes times longer, never shorter, and so do the first executions,
// which make what they need: one long time says little, and a short one that what was known no
// longer holds.
void CompanyPolicy::Cost::learn(double now) {
  if (num_times < kEnough) {
    seconds = num_times == 0 ? now : std::min(seconds, now);
    ++num_times;
  } else if (2 * now < seconds) {
    seconds = now;
  } else {
    seconds = (1 - kNewest) * seconds + kNewest * std::min(now, 2 * seconds);
  }
}

std::size_t CompanyPolicy::size_of(std::int64_t rows) {
  const auto positive = static_cast<std::uint64_t>(std::max<std::int64_t>(1, rows));
  return std::min<std::size_t>(kNumSizes - 1,
                               static_cast<std::size_t>(std::bit_width(positive) - 1));
}

void CompanyPolicy::on_merged(std::int64_t rows, std::chrono::nanoseconds took) {
  merged_[size_of(rows)].learn(per_row(took, static_cast<double>(rows)));
  since_merged_ = 0;
  ++since_beside_;
}

void CompanyPolicy::on_beside(double num_running, std::chrono::nanoseconds took) {
  beside_.learn(per_row(took, num_running));  // by Little's law
  since_beside_ = 0;
  ++since_merged_;
}

// Of the size of so many rows, or of the next smaller one that is known.
double CompanyPolicy::merged_cost(std::int64_t rows) const {
  for (std::size_t size = size_of(rows) + 1; size-- > 1;) {
    if (merged_[size].num_times >= kEnoughMerged) return merged_[size].seconds;
  }
  return 0;
}

int CompanyPolicy::patience() const {
  double merged = merged_cost(kMostRows);
  for (const Cost& cost : merged_) {
    if (cost.num_times >= kEnoughMerged) merged = std::min(merged, cost.seconds);
  }
  const double ratio = merged / beside_.seconds;
  return ratio > kClear || ratio < 1 / kClear ? kLookAgainLater : kLookAgain;
}

bool CompanyPolicy::merges(std::int64_t num_rows) const {
  if (beside_.num_times < kEnough) return false;
  const double merged = merged_cost(num_rows);
  if (merged == 0 || since_merged_ >= patience()) return true;
  if (since_beside_ >= patience()) return false;
  return merged < kWorthMerging * beside_.seconds;
}

std::int64_t CompanyPolicy::most_rows() const {
  const double merged = merged_cost(kMostRows);
  return merged == 0 || merged >= kWorthMerging * beside_.seconds ? kRowsToLearn : 0;
}

}  // namespace millrace::serving
