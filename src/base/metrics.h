// Metrics: the one file that names the metrics library. Families are created once at start and kept
// by reference; updating one is lock-free or nearly so. Names follow Prometheus; seconds, bytes,
// ratios.
#pragma once

#include <map>
#include <memory>
#include <string>
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

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
