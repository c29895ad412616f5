#include "base/metrics.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Metrics, SameNameAndLabelsAreOneSeries) {
  Metrics metrics;
  metrics.counter("requests_total", "Requests.", {{"model", "a"}}).add(2);
  metrics.counter("requests_total", "Requests.", {{"model", "a"}}).add(3);
  metrics.counter("requests_total", "Requests.", {{"model", "b"}}).add(1);
  metrics.gauge("vllm:num_requests_running", "Running.").set(4);
  metrics.histogram("seconds", "Time.", {0.1, 1}).observe(0.5);
  const std::string text = metrics.expose();
  EXPECT_NE(text.find("requests_total{model=\"a\"} 5"), std::string::npos) << text;
  EXPECT_NE(text.find("requests_total{model=\"b\"} 1"), std::string::npos);
  EXPECT_NE(text.find("vllm:num_requests_running 4"), std::string::npos);
  EXPECT_NE(text.find("seconds_bucket{le=\"1\"} 1"), std::string::npos);
}

TEST(Metrics, SamplesAreWhatAScrapeShows) {
  Metrics metrics;
  metrics.counter("a_requests_total", "Requests.", {{"model", "a"}}).add(2);
  metrics.gauge("b_running", "Running.").set(4);
  const HistogramRef seconds = metrics.histogram("a_seconds", "Time.", {0.1, 1});
  for (const double value : {0.05, 0.5, 0.7, 30.0}) seconds.observe(value);
  std::map<std::string, MetricSample> found;
  for (MetricSample& sample : metrics.samples("a_")) found[sample.name] = sample;
  ASSERT_EQ(found.size(), 2u) << "b_running begins otherwise";
  EXPECT_EQ(found["a_requests_total"].value, 2);
  EXPECT_EQ(found["a_requests_total"].labels, (MetricLabels{{"model", "a"}}));
  EXPECT_TRUE(found["a_requests_total"].counts.empty());
  EXPECT_DOUBLE_EQ(found["a_seconds"].value, 31.25);
  EXPECT_EQ(found["a_seconds"].bounds, (std::vector<double>{0.1, 1}));
  EXPECT_EQ(found["a_seconds"].counts, (std::vector<std::uint64_t>{1, 2, 1}));
}

TEST(Metrics, AnEmptyReferenceIsHarmless) {
  CounterRef{}.add();
  GaugeRef{}.set(1);
  HistogramRef{}.observe(1);
}

}  // namespace
}  // namespace millrace
