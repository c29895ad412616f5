#include "serving/tensor_stats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <thread>

namespace millrace::serving {
namespace {

std::vector<std::string> lines_of(const Metrics& metrics, std::string_view prefix) {
  std::vector<std::string> lines;
  std::istringstream text(metrics.expose());
  for (std::string line; std::getline(text, line);) {
    const std::string_view of_family =
        line.starts_with("# ") ? std::string_view(line).substr(7) : line;
    if (of_family.starts_with(prefix)) lines.push_back(line);
  }
  std::ranges::sort(lines);
  return lines;
}

double value_of(const Metrics& metrics, const std::string& name, const MetricLabels& labels) {
  for (const MetricSample& sample : metrics.samples(name)) {
    if (sample.name == name && sample.labels == labels) return sample.value;
  }
  return -1;
}

const MetricLabels kOurs = {{"model_name", "m"}, {"model_version", "3"}};
const MetricLabels kTritons = {{"model", "m"}, {"version", "3"}};

TEST(TensorStats, ASeriesIsWhatTheMetricsLibraryMakesOfTheSameValues) {
  Metrics metrics, expected;
  TensorStats stats(metrics, "m", "3");
  const std::vector<double> seconds = {.0001, .00025, .0005, .001, .0025, .005, .01, .025,
                                       .05,   .1,     .25,   .5,   1,     2.5,  5,   10};
  const auto whole =
      expected.histogram("millrace_inference_seconds",
                         "From arrival to result, requests that succeeded", seconds, kOurs);
  const auto queue = expected.histogram("millrace_inference_queue_seconds",
                                        "Waiting for a device or for company", seconds, kOurs);
  const auto infer = expected.histogram("millrace_inference_compute_seconds", "Computing one batch",
                                        seconds, kOurs);
  const auto rows = expected.histogram("millrace_inference_batch_rows", "Rows in one batch",
                                       {1, 2, 4, 8, 16, 32, 64, 128, 256}, kOurs);
  for (const std::int64_t ns :
       {0LL, 99'999LL, 100'000LL, 3'000'000LL, 10'000'000'000LL, 11'000'000'000LL}) {
    for (const std::int64_t num_rows : {1, 2, 3, 256, 257}) {
      auto record = stats.on_batch(num_rows, {.infer = ns});
      infer.observe(static_cast<double>(ns) * 1e-9);
      rows.observe(static_cast<double>(num_rows));
      for (int i = 0; i < 2; ++i) {
        record.add_success(num_rows, ns / 2, 2 * ns);
        whole.observe(static_cast<double>(2 * ns) * 1e-9);
        queue.observe(static_cast<double>(ns / 2) * 1e-9);
      }
    }
  }
  EXPECT_EQ(lines_of(metrics, "millrace_inference_"), lines_of(expected, "millrace_inference_"));
  EXPECT_EQ(lines_of(expected, "millrace_inference_").size(), 4u * 2 + 3 * 19 + 12);
}

TEST(TensorStats, RequestsEndInOneOutcomeAndOneOfTritonsReasons) {
  struct Row {
    ErrorKind kind;
    const char *outcome, *reason;
  };
  for (const Row& row :
       std::vector<Row>{{ErrorKind::unavailable, "refused", "REJECTED"},
                        {ErrorKind::rate_limited, "refused", "REJECTED"},
                        {ErrorKind::deadline_exceeded, "deadline_exceeded", "REJECTED"},
                        {ErrorKind::cancelled, "cancelled", "CANCELED"},
                        {ErrorKind::internal, "error", "BACKEND"},
                        {ErrorKind::invalid_argument, "refused", "OTHER"},
                        {ErrorKind::too_large, "refused", "OTHER"}}) {
    Metrics metrics;
    TensorStats stats(metrics, "m", "3");
    stats.on_failure({.kind = row.kind}, 5000);
    for (const char* outcome : {"ok", "refused", "cancelled", "deadline_exceeded", "error"}) {
      MetricLabels labels = kOurs;
      labels["outcome"] = outcome;
      EXPECT_EQ(value_of(metrics, "millrace_inferences_total", labels),
                outcome == std::string(row.outcome))
          << row.outcome << " " << outcome;
    }
    for (const char* reason : {"REJECTED", "CANCELED", "BACKEND", "OTHER"}) {
      MetricLabels labels = kTritons;
      labels["reason"] = reason;
      EXPECT_EQ(value_of(metrics, "nv_inference_request_failure", labels),
                reason == std::string(row.reason))
          << row.outcome << " " << reason;
    }
    EXPECT_EQ(stats.now().fail.count, 1u);
    EXPECT_EQ(stats.now().fail.ns, 5000u);
  }
}

TEST(TensorStats, TritonsNamesAreTheSumsInMicroseconds) {
  Metrics metrics;
  TensorStats stats(metrics, "m", "3");
  const TensorTimes times{.input = 1'500, .infer = 2'000'000, .output = 700};
  {
    auto record = stats.on_batch(5, times);
    record.add_success(2, 10'000, 2'100'000);
    record.add_success(3, 20'999, 2'200'000);
  }
  const auto of = [&](const char* name) { return value_of(metrics, name, kTritons); };
  EXPECT_EQ(of("nv_inference_request_success"), 2);
  EXPECT_EQ(of("nv_inference_count"), 5);
  EXPECT_EQ(of("nv_inference_exec_count"), 1);
  EXPECT_EQ(of("nv_inference_request_duration_us"), 4300);
  EXPECT_EQ(of("nv_inference_queue_duration_us"), 30);
  EXPECT_EQ(of("nv_inference_compute_input_duration_us"), 3) << "each request has its batch's";
  EXPECT_EQ(of("nv_inference_compute_infer_duration_us"), 4000);
  EXPECT_EQ(of("nv_inference_compute_output_duration_us"), 1);
  const TensorStatistics sums = stats.now();
  EXPECT_EQ(sums.inference_count, 5u);
  EXPECT_EQ(sums.batches.at(5).infer.ns, 2'000'000u) << "once a batch";
  EXPECT_GT(sums.last_inference_ms, 0);
}

TEST(TensorStats, LoadsOfSeveralBatchersAddUp) {
  Metrics metrics;
  TensorStats stats(metrics, "m", "3");
  const auto one = stats.watch([] { return TensorLoad{.num_pending = 3, .num_running = 1}; });
  auto other = stats.watch([] { return TensorLoad{.num_pending = 4, .num_running = 2}; });
  EXPECT_EQ(value_of(metrics, "millrace_inferences_pending", kOurs), 7);
  EXPECT_EQ(value_of(metrics, "nv_inference_pending_request_count", kTritons), 7);
  EXPECT_EQ(value_of(metrics, "millrace_inferences_running", kOurs), 3);
  other.end();
  EXPECT_EQ(value_of(metrics, "millrace_inferences_pending", kOurs), 3);
}

TEST(TensorStats, AModelThatIsLoadedAgainGoesOnInItsSeries) {
  Metrics metrics;
  std::optional<TensorStats> stats(std::in_place, metrics, "m", "3");
  stats->on_batch(1, {.infer = 1000}).add_success(1, 0, 2000);
  auto load = stats->watch([] { return TensorLoad{.num_pending = 3}; });
  load.end();
  stats.reset();
  EXPECT_EQ(value_of(metrics, "nv_inference_request_success", kTritons), 1);
  EXPECT_EQ(value_of(metrics, "millrace_inferences_pending", kOurs), 0);
  stats.emplace(metrics, "m", "3");
  EXPECT_EQ(stats->now().success.count, 0u) << "KServe's statistics are of this load";
  stats->on_batch(1, {.infer = 1000}).add_success(1, 0, 2000);
  EXPECT_EQ(value_of(metrics, "nv_inference_request_success", kTritons), 2);
  EXPECT_EQ(metrics.samples("millrace_inference_seconds").at(0).counts.at(0), 2u);
}

TEST(TensorStats, ScrapesMayComeWhileModelsComeAndGo) {
  Metrics metrics;
  std::jthread scraper([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) std::ignore = metrics.expose();
  });
  std::vector<std::jthread> models;
  for (int i = 0; i < 4; ++i) {
    models.emplace_back([&] {
      for (int load = 0; load < 50; ++load) {
        TensorStats stats(metrics, "m", "3");
        const auto shown = stats.watch([] { return TensorLoad{.num_running = 1}; });
        for (int n = 0; n < 20; ++n) stats.on_batch(1, {}).add_success(1, 0, 0);
      }
    });
  }
  models.clear();
  EXPECT_EQ(value_of(metrics, "nv_inference_count", kTritons), 4 * 50 * 20);
  EXPECT_EQ(value_of(metrics, "millrace_inferences_running", kOurs), 0);
}

}  // namespace
}  // namespace millrace::serving
