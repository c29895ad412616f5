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

MetricSample series(MetricKind kind, const char* name, double value) {
  return {.kind = kind, .name = name, .help = "Help.", .labels = {{"model", "a"}}, .value = value};
}

TEST(Metrics, ASourceIsAskedAtEachScrape) {
  Metrics metrics;
  metrics.counter("c_first_total", "Another.").add(1);
  int asked = 0;
  const auto handle = metrics.collect([&] {
    ++asked;
    MetricSample histogram = series(MetricKind::histogram, "c_seconds", 4.5);
    histogram.bounds = {0.1, 1};
    histogram.counts = {1, 0, 2};
    return std::vector{series(MetricKind::counter, "c_total", asked), histogram};
  });
  EXPECT_EQ(asked, 0);
  std::string text = metrics.expose();
  EXPECT_NE(text.find("# HELP c_total Help.\n# TYPE c_total counter\nc_total{model=\"a\"} 1\n"),
            std::string::npos)
      << text;
  EXPECT_NE(
      text.find(
          "# TYPE c_seconds histogram\nc_seconds_count{model=\"a\"} 3\nc_seconds_sum{model=\"a\"} "
          "4.5\n"
          "c_seconds_bucket{model=\"a\",le=\"0.1\"} 1\nc_seconds_bucket{model=\"a\",le=\"1\"} 1\n"
          "c_seconds_bucket{model=\"a\",le=\"+Inf\"} 3\n"),
      std::string::npos)
      << text;
  EXPECT_NE(metrics.expose().find("c_total{model=\"a\"} 2"), std::string::npos);
  for (const MetricSample& sample : metrics.samples("c_seconds")) {
    EXPECT_EQ(sample.kind, MetricKind::histogram);
    EXPECT_EQ(sample.counts, (std::vector<std::uint64_t>{1, 0, 2}));
  }
}

TEST(Metrics, SourcesOfOneSeriesAddUpAndLeaveTheirCounts) {
  Metrics metrics;
  const auto source = [&](double value) {
    return metrics.collect([value] {
      return std::vector{series(MetricKind::counter, "c_total", value),
                         series(MetricKind::gauge, "c_now", value)};
    });
  };
  const auto value = [&](const char* name) { return metrics.samples(name).at(0).value; };
  const MetricSourceHandle kept = source(1);
  {
    MetricSourceHandle moved = source(10);
    MetricSourceHandle other = std::move(moved);
    EXPECT_EQ(value("c_total"), 11);
    EXPECT_EQ(value("c_now"), 11);
    other = source(100);
    EXPECT_EQ(value("c_total"), 111);
    EXPECT_EQ(value("c_now"), 101);
  }
  EXPECT_EQ(value("c_total"), 111);
  EXPECT_EQ(value("c_now"), 1);
}

TEST(Metrics, AnEmptyReferenceIsHarmless) {
  CounterRef{}.add();
  GaugeRef{}.set(1);
  HistogramRef{}.observe(1);
}

}  // namespace
}  // namespace millrace
