#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <mutex>

namespace millrace {
namespace {

MetricSample sample_of(const prometheus::MetricFamily& family,
                       const prometheus::ClientMetric& metric) {
  MetricSample sample{.name = family.name, .labels = {}, .value = 0, .bounds = {}, .counts = {}};
  for (const auto& label : metric.label) sample.labels.emplace(label.name, label.value);
  if (family.type == prometheus::MetricType::Counter) sample.value = metric.counter.value;
  if (family.type == prometheus::MetricType::Gauge) sample.value = metric.gauge.value;
  if (family.type != prometheus::MetricType::Histogram) return sample;
  sample.value = metric.histogram.sample_sum;
  std::uint64_t below = 0;
  for (const auto& bucket : metric.histogram.bucket) {
    if (std::isfinite(bucket.upper_bound)) sample.bounds.push_back(bucket.upper_bound);
    sample.counts.push_back(bucket.cumulative_count - below);
    below = bucket.cumulative_count;
  }
  return sample;
}

}  // namespace

struct Metrics::State {
  std::mutex mutex;  // guards creation; updates go to the series directly
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void CounterRef::add(double amount) const {
  if (counter_) counter_->Increment(amount);
}
double CounterRef::value() const {
  return counter_ ? counter_->Value() : 0;
}
void GaugeRef::set(double value) const {
  if (gauge_) gauge_->Set(value);
}
void GaugeRef::add(double amount) const {
  if (gauge_) gauge_->Increment(amount);
}
double GaugeRef::value() const {
  return gauge_ ? gauge_->Value() : 0;
}
void HistogramRef::observe(double value) const {
  if (histogram_) histogram_->Observe(value);
}

CounterRef Metrics::counter(const std::string& name, const std::string& help,
                            const MetricLabels& labels) {
  std::lock_guard lock(state_->mutex);
  CounterRef ref;
  ref.counter_ =
      &prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry).Add(labels);
  return ref;
}

GaugeRef Metrics::gauge(const std::string& name, const std::string& help,
                        const MetricLabels& labels) {
  std::lock_guard lock(state_->mutex);
  GaugeRef ref;
  ref.gauge_ =
      &prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry).Add(labels);
  return ref;
}

HistogramRef Metrics::histogram(const std::string& name, const std::string& help,
                                const std::vector<double>& bounds, const MetricLabels& labels) {
  std::lock_guard lock(state_->mutex);
  HistogramRef ref;
  ref.histogram_ = &prometheus::BuildHistogram()
                        .Name(name)
                        .Help(help)
                        .Register(state_->registry)
                        .Add(labels, bounds);
  return ref;
}

std::string Metrics::expose() const {
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

std::vector<MetricSample> Metrics::samples(std::string_view prefix) const {
  std::vector<MetricSample> found;
  for (const prometheus::MetricFamily& family : state_->registry.Collect()) {
    if (!family.name.starts_with(prefix)) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      found.push_back(sample_of(family, metric));
    }
  }
  return found;
}

}  // namespace millrace
