// BatchPolicy: arithmetic of the batcher. When a device is free and work waits, run it now or wait
// for more? Pure: no clock, no thread; times come in. Learns how long a batch takes (linear in
// rows) and how far apart requests come.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace millrace::serving {

struct BatchLimits {
  int max_rows = 1;  // of a merged batch
  // Longest that a request waits for company while a device is free.
  std::chrono::nanoseconds max_delay = std::chrono::milliseconds(2);
  // Sizes that the model likes, ascending: a batch of one of them does not wait, and more rows than
  // that are left for the next.
  std::vector<int> preferred_rows{};
  // Waits so long for company, whatever was learnt; none: as it pays.
  std::optional<std::chrono::nanoseconds> fixed_delay{};
};

// What waits, seen when a device is free.
struct Waiting {
  std::int64_t num_requests = 0;
  std::int64_t num_rows = 0;
  TimePoint oldest{};  // arrival of the one that waited longest
  TimePoint earliest_deadline = kNever;
};

class BatchPolicy {
 public:
  explicit BatchPolicy(BatchLimits limits) : limits_(std::move(limits)) {}

  void on_arrival(TimePoint now, std::int64_t rows);
  void on_batch(std::int64_t rows, std::chrono::nanoseconds took);

  // How many of the rows that wait are to be one batch.
  std::int64_t rows_to_take(std::int64_t num_rows) const;

  // `now` or earlier: run what waits. Later: wait until then, or until more has come.
  TimePoint run_at(const Waiting& waiting, TimePoint now) const;

  // Seconds that a batch of so many rows is expected to take; 0 before anything was learnt.
  double predicted_seconds(std::int64_t rows) const;
  double fixed_seconds() const { return fixed_; }  // of any batch, however small
  double seconds_between_arrivals() const { return between_arrivals_; }
  const BatchLimits& limits() const { return limits_; }

 private:
  void fit();
  TimePoint before_deadline(TimePoint until, const Waiting& waiting) const;

  const BatchLimits limits_;
  // Sums of a least-squares line over recent batches; older ones fade.
  double weight_ = 0, sum_rows_ = 0, sum_seconds_ = 0, sum_rows_rows_ = 0, sum_rows_seconds_ = 0;
  double fixed_ = 0, per_row_ = 0;
  double between_arrivals_ = 0;  // seconds; 0: not known
  TimePoint last_arrival_{};
};

}  // namespace millrace::serving
