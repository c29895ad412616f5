// CompanyPolicy: several requests wait, and the model can run them side by side, each on a share of
// the threads, or merged into one execution on all of them. Which answers more rows a second? A
// network whose weights are what costs gains much from merging, a convolutional one loses by it; so
// both ways are measured as they occur. Pure: no clock, no thread; times come in.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace millrace::serving {

class CompanyPolicy {
 public:
  // A merged execution has ended.
  void on_merged(std::int64_t rows, std::chrono::nanoseconds took);
  // An execution of one request has ended; `num_running` were under way on the mean, it included.
  void on_beside(double num_running, std::chrono::nanoseconds took);

  // Whether so many waiting rows are better merged than run side by side. What is not known yet, or
  // not of late, is tried.
  bool merges(std::int64_t num_rows) const;
  // The most rows worth merging just to learn what that takes; 0: no such limit.
  std::int64_t most_rows() const;

 private:
  static constexpr std::size_t kNumSizes = 12;
  static constexpr std::int64_t kMostRows = std::int64_t{1} << kNumSizes;
  // What a row takes, learnt.
  struct Cost {
    double seconds = 0;
    int num_times = 0;  // up to a bound
    void learn(double now);
  };

  static std::size_t size_of(std::int64_t rows);  // by powers of two
  double merged_cost(std::int64_t rows) const;    // seconds a row; 0: not known
  int patience() const;

  std::array<Cost, kNumSizes> merged_{};  // by size
  Cost beside_;
  int since_merged_ = 0, since_beside_ = 0;  // executions of the other way
};

}  // namespace millrace::serving
