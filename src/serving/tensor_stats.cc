#include "serving/tensor_stats.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace millrace::serving {
namespace {

// Batch sizes that are told apart: beyond this many, further ones are only counted in the sums.
constexpr std::size_t kMaxBatchSizes = 256;

constexpr std::array kSecondBounds = {.0001, .00025, .0005, .001, .0025, .005, .01, .025,
                                      .05,   .1,     .25,   .5,   1.0,   2.5,  5.0, 10.0};
constexpr std::array kRowBounds = {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0};

constexpr std::array kOutcomes = {"ok", "refused", "cancelled", "deadline_exceeded", "error"};
constexpr std::array kReasons = {"REJECTED", "CANCELED", "BACKEND", "OTHER"};

std::string_view outcome_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::deadline_exceeded:
      return "deadline_exceeded";
    case ErrorKind::internal:
      return "error";
    default:
      return "refused";
  }
}

// Triton rejects what its queue has no room or no time for; what a model finds wrong with a request
// is no fault of its backend.
std::string_view reason_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unavailable:
    case ErrorKind::rate_limited:
    case ErrorKind::deadline_exceeded:
      return "REJECTED";
    case ErrorKind::cancelled:
      return "CANCELED";
    case ErrorKind::internal:
      return "BACKEND";
    default:
      return "OTHER";
  }
}

// Of failures by kind, those that `name_of` gives this name.
std::uint64_t count_of(std::span<const std::uint64_t> failures, std::string_view name,
                       std::string_view (*name_of)(ErrorKind)) {
  std::uint64_t sum = 0;
  for (std::size_t kind = 0; kind < failures.size(); ++kind) {
    if (name_of(static_cast<ErrorKind>(kind)) == name) sum += failures[kind];
  }
  return sum;
}

double seconds(std::int64_t ns) {
  return static_cast<double>(ns) * 1e-9;
}

std::int64_t unix_ms() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
}

MetricLabels with(MetricLabels labels, const char* name, std::string_view value) {
  labels[name] = value;
  return labels;
}

MetricSample gauge(const char* name, const char* help, const MetricLabels& labels,
                   std::size_t value) {
  return {.kind = MetricKind::gauge,
          .name = name,
          .help = help,
          .labels = labels,
          .value = static_cast<double>(value)};
}

MetricSample counter(const char* name, const char* help, MetricLabels labels, std::uint64_t value) {
  return {.kind = MetricKind::counter,
          .name = name,
          .help = help,
          .labels = std::move(labels),
          .value = static_cast<double>(value)};
}

}  // namespace

void TensorStats::Buckets::observe(double value) {
  const auto bucket = std::ranges::lower_bound(bounds, value) - bounds.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  sum += value;
}

TensorStats::TensorStats(Metrics& metrics, const std::string& model, const std::string& version)
    : metrics_(metrics),
      labels_{{"model_name", model}, {"model_version", version}},
      triton_labels_{{"model", model}, {"version", version}},
      counted_{.seconds = {.bounds = kSecondBounds},
               .queue_seconds = {.bounds = kSecondBounds},
               .infer_seconds = {.bounds = kSecondBounds},
               .batch_rows = {.bounds = kRowBounds}} {
  source_ = metrics.collect([this] {
    std::unique_lock lock(mutex_);
    const Counted counted = counted_;
    lock.unlock();
    std::vector<MetricSample> samples;
    collect_ours(counted, samples);
    collect_tritons(counted, samples);
    return samples;
  });
}

TensorStats::BatchRecord::BatchRecord(TensorStats& stats, std::int64_t rows,
                                      const TensorTimes& times)
    : stats_(stats), times_(times), now_ms_(unix_ms()), lock_(stats.mutex_) {
  Counted& counted = stats.counted_;
  counted.infer_seconds.observe(seconds(times.infer));
  counted.batch_rows.observe(static_cast<double>(rows));
  ++counted.sums.execution_count;
  auto of_size = counted.sums.batches.find(rows);
  if (of_size == counted.sums.batches.end()) {
    if (counted.sums.batches.size() >= kMaxBatchSizes) return;
    of_size = counted.sums.batches.try_emplace(rows).first;
  }
  of_size->second.input.add(times.input);
  of_size->second.infer.add(times.infer);
  of_size->second.output.add(times.output);
}

void TensorStats::BatchRecord::add_success(std::int64_t rows, std::int64_t queue_ns,
                                           std::int64_t whole_ns) {
  Counted& counted = stats_.counted_;
  counted.seconds.observe(seconds(whole_ns));
  counted.queue_seconds.observe(seconds(queue_ns));
  TensorStatistics& sums = counted.sums;
  sums.inference_count += static_cast<std::uint64_t>(rows);
  sums.last_inference_ms = now_ms_;
  sums.success.add(whole_ns);
  sums.queue.add(queue_ns);
  sums.input.add(times_.input);
  sums.infer.add(times_.infer);
  sums.output.add(times_.output);
}

void TensorStats::on_failure(const Error& error, std::int64_t whole_ns) {
  std::lock_guard lock(mutex_);
  ++counted_.failures[static_cast<std::size_t>(error.kind)];
  counted_.sums.fail.add(whole_ns);
}

TensorStatistics TensorStats::now() const {
  std::lock_guard lock(mutex_);
  return counted_.sums;
}

MetricSourceHandle TensorStats::watch(std::function<TensorLoad()> read) {
  return metrics_.collect([read = std::move(read), labels = labels_, tritons = triton_labels_] {
    const TensorLoad load = read();
    return std::vector{gauge("millrace_inferences_pending", "Requests that wait for the model",
                             labels, load.num_pending),
                       gauge("millrace_inferences_running", "Requests that the model has", labels,
                             load.num_running),
                       gauge("nv_inference_pending_request_count",
                             "Requests that wait for the model", tritons, load.num_pending)};
  });
}

void TensorStats::collect_ours(const Counted& counted, std::vector<MetricSample>& to) const {
  for (const std::string_view outcome : kOutcomes) {
    const std::uint64_t count = outcome == "ok" ? counted.sums.success.count
                                                : count_of(counted.failures, outcome, outcome_of);
    to.push_back(counter("millrace_inferences_total", "Requests to graph models by how they ended",
                         with(labels_, "outcome", outcome), count));
  }
  const auto add = [&](const char* name, const char* help, const Buckets& buckets) {
    const auto& [bounds, counts, sum] = buckets;
    const auto num_counts = static_cast<std::ptrdiff_t>(bounds.size()) + 1;
    to.push_back({.kind = MetricKind::histogram,
                  .name = name,
                  .help = help,
                  .labels = labels_,
                  .value = sum,
                  .bounds = {bounds.begin(), bounds.end()},
                  .counts = {counts.begin(), counts.begin() + num_counts}});
  };
  add("millrace_inference_seconds", "From arrival to result, requests that succeeded",
      counted.seconds);
  add("millrace_inference_queue_seconds", "Waiting for a device or for company",
      counted.queue_seconds);
  add("millrace_inference_compute_seconds", "Computing one batch", counted.infer_seconds);
  add("millrace_inference_batch_rows", "Rows in one batch", counted.batch_rows);
}

void TensorStats::collect_tritons(const Counted& counted, std::vector<MetricSample>& to) const {
  const TensorStatistics& sums = counted.sums;
  const auto add = [&](const char* name, const char* help, std::uint64_t value) {
    to.push_back(counter(name, help, triton_labels_, value));
  };
  add("nv_inference_request_success", "Requests that succeeded", sums.success.count);
  for (const std::string_view reason : kReasons) {
    to.push_back(counter("nv_inference_request_failure", "Requests that failed, by reason",
                         with(triton_labels_, "reason", reason),
                         count_of(counted.failures, reason, reason_of)));
  }
  add("nv_inference_count", "Rows computed", sums.inference_count);
  add("nv_inference_exec_count", "Batches computed", sums.execution_count);
  add("nv_inference_request_duration_us", "From arrival to result, microseconds in all",
      sums.success.ns / 1000);
  add("nv_inference_queue_duration_us", "Waiting, microseconds in all", sums.queue.ns / 1000);
  add("nv_inference_compute_input_duration_us", "Copying in, microseconds in all",
      sums.input.ns / 1000);
  add("nv_inference_compute_infer_duration_us", "Computing, microseconds in all",
      sums.infer.ns / 1000);
  add("nv_inference_compute_output_duration_us", "Taking out, microseconds in all",
      sums.output.ns / 1000);
}

}  // namespace millrace::serving
