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
constexpr std::int64_t kRowsToLearn = 8;

// Whatever else the machine does makes times longer, never shorter: one long time says little,
// and a short one that what was known no longer holds.
double blend(double known, double now) {
  if (known == 0 || 2 * now < known) return now;
  return (1 - kNewest) * known + kNewest * std::min(now, 2 * known);
}

double per_row(std::chrono::nanoseconds took, double rows) {
  return std::max(1e-9, std::chrono::duration<double>(took).count() / std::max(1.0, rows));
}

}  // namespace

std::size_t CompanyPolicy::size_of(std::int64_t rows) {
  const auto positive = static_cast<std::uint64_t>(std::max<std::int64_t>(1, rows));
  return std::min<std::size_t>(kNumSizes - 1,
                               static_cast<std::size_t>(std::bit_width(positive) - 1));
}

void CompanyPolicy::on_merged(std::int64_t rows, std::chrono::nanoseconds took) {
  double& known = merged_[size_of(rows)];
  known = blend(known, per_row(took, static_cast<double>(rows)));
  since_merged_ = 0;
  ++since_beside_;
}

void CompanyPolicy::on_beside(double num_running, std::chrono::nanoseconds took) {
  // By Little's law; the first executions of a thread make what they need.
  const double now = per_row(took, num_running);
  beside_ = num_beside_ < kEnough && beside_ > 0 ? std::min(beside_, now) : blend(beside_, now);
  num_beside_ = std::min(num_beside_ + 1, kEnough);
  since_beside_ = 0;
  ++since_merged_;
}

double CompanyPolicy::merged_cost(std::int64_t rows) const {
  for (std::size_t size = size_of(rows) + 1; size-- > 1;) {
    if (merged_[size] > 0) return merged_[size];
  }
  return 0;
}

int CompanyPolicy::patience() const {
  double merged = merged_cost(std::int64_t{1} << kNumSizes);
  for (const double cost : merged_) {
    if (cost > 0) merged = std::min(merged, cost);
  }
  const double ratio = merged / beside_;
  return ratio > kClear || ratio < 1 / kClear ? kLookAgainLater : kLookAgain;
}

bool CompanyPolicy::merges(std::int64_t num_rows) const {
  if (num_beside_ < kEnough) return false;
  const double merged = merged_cost(num_rows);
  if (merged == 0 || since_merged_ >= patience()) return true;
  if (since_beside_ >= patience()) return false;
  return merged < kWorthMerging * beside_;
}

std::int64_t CompanyPolicy::most_rows() const {
  const double merged = merged_cost(std::int64_t{1} << kNumSizes);
  return merged == 0 || merged >= kWorthMerging * beside_ ? kRowsToLearn : 0;
}

}  // namespace millrace::serving
