// Metrics: the one file that names the metrics library. Families are created once at start and kept
// by reference; updating one is lock-free or nearly so. Names follow Prometheus; seconds, bytes,
// ratios.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace millrace {

using MetricLabels = std::map<std::string, std::string>;

class CounterRef {
 public:
  void add(double amount = 1) const;
  double value() const;

 private:
  friend class Metrics;
  prometheus::Counter* counter_ = nullptr;
};
class GaugeRef {
 public:
  void set(double value) const;
  void add(double amount) const;
  double value() const;

 private:
  friend class Metrics;
  prometheus::Gauge* gauge_ = nullptr;
};
class HistogramRef {
 public:
  void observe(double value) const;

 private:
  friend class Metrics;
  prometheus::Histogram* histogram_ = nullptr;
};

// One series as a scrape would show it, for readers within the process.
struct MetricSample {
  std::string name;
  MetricLabels labels;
  double value = 0;                   // of a histogram: the sum of what was observed
  std::vector<double> bounds;         // of a histogram's buckets, ascending, +Inf left out
  std::vector<std::uint64_t> counts;  // of a histogram: in each bucket alone, the one to +Inf last
};

// The registry. One a process, created in app and lent downward; tests make their own. Thread-safe.
// The same name and labels give the same series.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  CounterRef counter(const std::string& name, const std::string& help,
                     const MetricLabels& labels = {});
  GaugeRef gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  HistogramRef histogram(const std::string& name, const std::string& help,
                         const std::vector<double>& bounds, const MetricLabels& labels = {});
  // The text exposition format.
  std::string expose() const;
  // Every series whose name begins so, in no order. Costs what a scrape costs, less the text.
  std::vector<MetricSample> samples(std::string_view prefix) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
