// Metrics: the one file that names the metrics library. Families are created once at start and kept
// by reference; updating one is lock-free or nearly so. Whoever counts for himself is asked at each
// scrape instead. Names follow Prometheus; seconds, bytes, ratios.
#pragma once

#include <cstdint>
#include <functional>
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

enum class MetricKind : std::uint8_t { counter, gauge, histogram };

// One series as a scrape would show it: what readers within the process get, and what sources say.
struct MetricSample {
  MetricKind kind = MetricKind::counter;
  std::string name;
  std::string help;
  MetricLabels labels;
  double value = 0;              // of a histogram: the sum of what was observed
  std::vector<double> bounds{};  // of a histogram's buckets, ascending, +Inf left out
  // Of a histogram: in each bucket alone, the one to +Inf last.
  std::vector<std::uint64_t> counts{};
};

// Says what it has at this moment; called on any thread, one call at a time over all sources, so it
// must not use the registry. A name has the same kind, help and bounds each time, and is no other
// series'.
using MetricSource = std::function<std::vector<MetricSample>()>;

// Keeps a source registered. Its end asks the source a last time, and waits for a scrape under way.
class MetricSourceHandle {
 public:
  MetricSourceHandle() = default;
  ~MetricSourceHandle() { end(); }
  MetricSourceHandle(MetricSourceHandle&& other) noexcept;
  MetricSourceHandle& operator=(MetricSourceHandle&& other) noexcept;
  void end();

 private:
  friend class Metrics;
  class Metrics* metrics_ = nullptr;
  std::uint64_t id_ = 0;
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
  // Series that their owner counts. Those of several sources under one name and labels add up, and
  // like all series they stay: a source that has ended leaves its counters and histograms as they
  // were, its gauges at 0. The registry outlives the handle.
  [[nodiscard]] MetricSourceHandle collect(MetricSource source);
  // The text exposition format.
  std::string expose() const;
  // Every series whose name begins so, in no order. Costs what a scrape costs, less the text.
  std::vector<MetricSample> samples(std::string_view prefix) const;

 private:
  friend class MetricSourceHandle;
  void forget(std::uint64_t source);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
