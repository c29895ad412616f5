// What a graph model has done, as KServe's statistics tell it and as metrics. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

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

class TensorStats {
 public:
  TensorStats(Metrics& metrics, const std::string& model_name, const std::string& version = "1");

  void on_batch(std::int64_t rows, const TensorTimes& times);
  void on_success(std::int64_t rows, const TensorTimes& times);
  void on_failure(const Error& error, std::int64_t whole_ns);
  TensorStatistics now() const;

 private:
  mutable std::mutex mutex_;
  TensorStatistics sums_;
  CounterRef num_ok_, num_refused_, num_cancelled_, num_late_, num_failed_;
  HistogramRef seconds_, queue_seconds_, infer_seconds_, batch_rows_;
};

}  // namespace millrace::serving
