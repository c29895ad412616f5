#include "serving/tensor_stats.h"

#include <chrono>
#include <vector>

namespace millrace::serving {
namespace {

// Batch sizes that are told apart: beyond this many, further ones are only counted in the sums.
constexpr std::size_t kMaxBatchSizes = 256;

const std::vector<double>& second_bounds() {
  static const std::vector<double> kBounds = {.0001, .00025, .0005, .001, .0025, .005, .01, .025,
                                              .05,   .1,     .25,   .5,   1,     2.5,  5,   10};
  return kBounds;
}

double seconds(std::int64_t ns) {
  return static_cast<double>(ns) * 1e-9;
}

MetricLabels labels_of(const std::string& model, const std::string& version) {
  return {{"model_name", model}, {"model_version", version}};
}

CounterRef outcome(Metrics& metrics, const std::string& model, const std::string& version,
                   const char* word) {
  MetricLabels labels = labels_of(model, version);
  labels["outcome"] = word;
  return metrics.counter("millrace_inferences_total", "Requests to graph models by how they ended",
                         labels);
}

}  // namespace

TensorStats::TensorStats(Metrics& metrics, const std::string& model, const std::string& version)
    : num_ok_(outcome(metrics, model, version, "ok")),
      num_refused_(outcome(metrics, model, version, "refused")),
      num_cancelled_(outcome(metrics, model, version, "cancelled")),
      num_late_(outcome(metrics, model, version, "deadline_exceeded")),
      num_failed_(outcome(metrics, model, version, "error")),
      seconds_(metrics.histogram("millrace_inference_seconds",
                                 "From arrival to result, requests that succeeded", second_bounds(),
                                 labels_of(model, version))),
      queue_seconds_(metrics.histogram("millrace_inference_queue_seconds",
                                       "Waiting for a device or for company", second_bounds(),
                                       labels_of(model, version))),
      infer_seconds_(metrics.histogram("millrace_inference_compute_seconds", "Computing one batch",
                                       second_bounds(), labels_of(model, version))),
      batch_rows_(metrics.histogram("millrace_inference_batch_rows", "Rows in one batch",
                                    {1, 2, 4, 8, 16, 32, 64, 128, 256},
                                    labels_of(model, version))) {}

void TensorStats::on_batch(std::int64_t rows, const TensorTimes& times) {
  infer_seconds_.observe(seconds(times.infer));
  batch_rows_.observe(static_cast<double>(rows));
  std::lock_guard lock(mutex_);
  ++sums_.execution_count;
  if (!sums_.batches.contains(rows) && sums_.batches.size() >= kMaxBatchSizes) return;
  auto& sums = sums_.batches[rows];
  sums.input.add(times.input);
  sums.infer.add(times.infer);
  sums.output.add(times.output);
}

void TensorStats::on_success(std::int64_t rows, const TensorTimes& times) {
  num_ok_.add();
  seconds_.observe(seconds(times.whole));
  queue_seconds_.observe(seconds(times.queue));
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  std::lock_guard lock(mutex_);
  sums_.inference_count += static_cast<std::uint64_t>(rows);
  sums_.last_inference_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  sums_.success.add(times.whole);
  sums_.queue.add(times.queue);
  sums_.input.add(times.input);
  sums_.infer.add(times.infer);
  sums_.output.add(times.output);
}

void TensorStats::on_failure(const Error& error, std::int64_t whole_ns) {
  switch (error.kind) {
    case ErrorKind::cancelled:
      num_cancelled_.add();
      break;
    case ErrorKind::deadline_exceeded:
      num_late_.add();
      break;
    case ErrorKind::internal:
      num_failed_.add();
      break;
    default:
      num_refused_.add();
  }
  std::lock_guard lock(mutex_);
  sums_.fail.add(whole_ns);
}

TensorStatistics TensorStats::now() const {
  std::lock_guard lock(mutex_);
  return sums_;
}

}  // namespace millrace::serving
