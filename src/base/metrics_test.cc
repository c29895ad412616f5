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

TEST(Metrics, AnEmptyReferenceIsHarmless) {
  CounterRef{}.add();
  GaugeRef{}.set(1);
  HistogramRef{}.observe(1);
}

}  // namespace
}  // namespace millrace
