// CompanyPolicy: several requests wait, and the model can run them side by side, each on a share of
// the threads, or merged into one execution on all of them. Which answers more rows a second? A
// network whose weights are what costs gains much from merging, a convolutional one loses by it,
// and clients that wait for each other's answers leave the machine idle between merged executions.
// So what is compared is rows answered a second, by the clock on the wall, under the load there is.
// Pure: no clock, no thread; times come in.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace millrace::serving {

class CompanyPolicy {
 public:
  // Whether requests that wait are to be merged.
  bool merges() const { return way_ == kMerged; }
  // The most rows worth merging while that is only being tried; 0: no such limit.
  std::int64_t most_rows() const { return way_ == kMerged && best_ != kMerged ? kRowsToLearn : 0; }

  // An execution has ended; told in the order of ends.
  void on_end(std::int64_t rows, TimePoint started, TimePoint ended);

 private:
  enum Way : std::uint8_t { kBeside, kMerged };
  static constexpr std::int64_t kRowsToLearn = 8;
  static constexpr std::size_t kKept = 4;  // windows

  void on_window(double rows_per_second);
  void judge(double tried);
  void take(Way way, TimePoint now);
  double best_rate() const;

  Way best_ = kBeside, way_ = kBeside;  // they differ while the other way is tried
  TimePoint since_{};                   // executions from before it belong to the other way
  TimePoint last_end_{};
  // The window: executions that ended in this way, one after the other.
  int num_skipped_ = 0, num_ended_ = 0;
  std::int64_t rows_ = 0;
  std::chrono::nanoseconds took_{0};
  std::array<double, kKept> rates_{};  // of the best way's last windows; 0: none
  std::size_t next_rate_ = 0;
  double tried_ = 0;  // the trial's first window
  int num_since_trial_ = 0, patience_ = kFirstPatience;
  static constexpr int kFirstPatience = 24;  // executions
};

}  // namespace millrace::serving
