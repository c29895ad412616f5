#include "serving/company_policy.h"

#include <algorithm>
#include <utility>

namespace millrace::serving {
namespace {

using std::chrono::nanoseconds;

// All wait for a merged execution's end, so merging must gain this much.
constexpr double kWorthMerging = 1.1;
constexpr int kSkipped = 2;       // executions after a change: caches are cold, memory is made
constexpr int kWindowBeside = 8;  // executions; of merged ones fewer, as each has several rows
constexpr int kWindowMerged = 4;
constexpr double kFarOff = 0.7;  // of the best rate: one window is enough to see it
constexpr nanoseconds kLongWindow = std::chrono::milliseconds(100);
constexpr int kMostPatience = 1 << 14;

}  // namespace

void CompanyPolicy::on_end(std::int64_t rows, TimePoint started, TimePoint ended) {
  // Where nothing ran before it the machine was idle: for want of requests, unless it was short.
  const nanoseconds own = ended - started;
  const nanoseconds passed = std::min<nanoseconds>(ended - last_end_, 2 * own);
  last_end_ = ended;
  if (started < since_) return;
  if (num_skipped_ < kSkipped) {
    ++num_skipped_;
    return;
  }
  ++num_ended_;
  ++num_since_trial_;
  rows_ += rows;
  took_ += passed;
  if (num_ended_ < (merges() ? kWindowMerged : kWindowBeside) && took_ < kLongWindow) return;
  const double seconds = std::max(1e-9, std::chrono::duration<double>(took_).count());
  on_window(static_cast<double>(rows_) / seconds);
}

// The better of two windows: whatever else the machine does makes them worse, never better.
void CompanyPolicy::on_window(double rows_per_second) {
  num_ended_ = 0;
  rows_ = 0;
  took_ = {};
  if (way_ != best_) {
    const bool is_far_off = rows_per_second < kFarOff * best_rate();
    if (tried_ > 0 || is_far_off) return judge(std::max(tried_, rows_per_second));
    tried_ = rows_per_second;
    return;
  }
  rates_[next_rate_++ % kKept] = rows_per_second;
  if (num_since_trial_ >= patience_) take(best_ == kMerged ? kBeside : kMerged, last_end_);
}

// A verdict that is confirmed is asked for again later and later.
void CompanyPolicy::judge(double tried) {
  const double needed = way_ == kMerged ? best_rate() * kWorthMerging : best_rate() / kWorthMerging;
  if (tried > needed) {
    best_ = way_;
    rates_.fill(0);
    rates_[next_rate_++ % kKept] = tried;
    patience_ = kFirstPatience;
  } else {
    patience_ = std::min(2 * patience_, kMostPatience);
  }
  take(best_, last_end_);
}

void CompanyPolicy::take(Way way, TimePoint now) {
  if (std::exchange(way_, way) != way) {
    since_ = now;
    num_skipped_ = 0;
  }
  num_since_trial_ = 0;
  tried_ = 0;
}

double CompanyPolicy::best_rate() const {
  return *std::ranges::max_element(rates_);
}

}  // namespace millrace::serving
