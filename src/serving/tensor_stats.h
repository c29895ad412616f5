// What a graph model has done, as KServe's statistics tell it and as metrics, ours and Triton's:
// counted once, under one lock a batch; what a scrape shows is made when it asks. Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"

namespace millrace::serving {

// Where the time of one request went, nanoseconds.
struct TensorTimes {
  std::int64_t queue = 0;   // waiting for a device or for company
  std::int64_t input = 0;   // copying in; of the whole batch, as the next two
  std::int64_t infer = 0;   // computing
  std::int64_t output = 0;  // taking out
  std::int64_t whole = 0;   // from the request's arrival to its result
};

struct StatSum {
  std::uint64_t count = 0;
  std::uint64_t ns = 0;
  void add(std::int64_t nanoseconds) {
    ++count;
    ns += static_cast<std::uint64_t>(nanoseconds < 0 ? 0 : nanoseconds);
  }
};

struct TensorStatistics {
  std::uint64_t inference_count = 0;   // rows
  std::uint64_t execution_count = 0;   // batches
  std::int64_t last_inference_ms = 0;  // since 1970
  StatSum success, fail, queue, input, infer, output;
  struct OfBatchSize {
    StatSum input, infer, output;
  };
  std::map<std::int64_t, OfBatchSize> batches;  // by rows
};

// How many requests a batcher has at this moment.
struct TensorLoad {
  std::size_t num_pending = 0;  // accepted, and waiting for the model
  std::size_t num_running = 0;  // given to the model
};

class TensorStats {
 public:
  // `metrics` outlives it.
  TensorStats(Metrics& metrics, const std::string& model_name, const std::string& version = "1");

  // Shows the load of one batcher until the handle goes. `read` must not wait for a scrape.
  [[nodiscard]] MetricSourceHandle watch(std::function<TensorLoad()> read);

  // A batch that the model has computed. The requests that it answers are added while the record
  // lives, under one lock, which it holds: nothing else is to be done meanwhile.
  class BatchRecord {
   public:
    void add_success(std::int64_t rows, std::int64_t queue_ns, std::int64_t whole_ns);

   private:
    friend class TensorStats;
    BatchRecord(TensorStats& stats, std::int64_t rows, const TensorTimes& times);

    TensorStats& stats_;
    const TensorTimes times_;
    const std::int64_t now_ms_;
    std::lock_guard<std::mutex> lock_;
  };
  // Of `times` what is the batch's: not queue, not whole.
  [[nodiscard]] BatchRecord on_batch(std::int64_t rows, const TensorTimes& times) {
    return {*this, rows, times};
  }
  void on_failure(const Error& error, std::int64_t whole_ns);
  TensorStatistics now() const;

 private:
  // A histogram under its owner's lock. A value that equals a bound is below it, as Prometheus has
  // it.
  struct Buckets {
    static constexpr std::size_t kMaxBounds = 16;

    void observe(double value);

    std::span<const double> bounds;
    std::array<std::uint64_t, kMaxBounds + 1> counts{};
    double sum = 0;
  };
  struct Counted {
    TensorStatistics sums{};
    std::array<std::uint64_t, static_cast<std::size_t>(ErrorKind::internal) + 1> failures{};
    Buckets seconds, queue_seconds, infer_seconds, batch_rows;
  };

  void collect_ours(const Counted& counted, std::vector<MetricSample>& to) const;
  void collect_tritons(const Counted& counted, std::vector<MetricSample>& to) const;

  Metrics& metrics_;
  const MetricLabels labels_, triton_labels_;
  mutable std::mutex mutex_;
  Counted counted_;
  MetricSourceHandle source_;  // goes first
};

}  // namespace millrace::serving
