#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

namespace millrace {
namespace {

MetricKind kind_of(prometheus::MetricType type) {
  if (type == prometheus::MetricType::Histogram) return MetricKind::histogram;
  return type == prometheus::MetricType::Gauge ? MetricKind::gauge : MetricKind::counter;
}

MetricSample sample_of(const prometheus::MetricFamily& family,
                       const prometheus::ClientMetric& metric) {
  MetricSample sample{
      .kind = kind_of(family.type), .name = family.name, .help = family.help, .labels = {}};
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

prometheus::ClientMetric client_metric(const MetricSample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  metric.counter.value = metric.gauge.value = sample.value;
  if (sample.kind != MetricKind::histogram) return metric;
  metric.histogram.sample_sum = sample.value;
  for (std::size_t i = 0; i < sample.counts.size(); ++i) {
    metric.histogram.sample_count += sample.counts[i];
    metric.histogram.bucket.push_back(
        {.cumulative_count = metric.histogram.sample_count,
         .upper_bound = i < sample.bounds.size() ? sample.bounds[i]
                                                 : std::numeric_limits<double>::infinity()});
  }
  return metric;
}

// By name, then labels: what belongs to one family lies together.
using SampleTable = std::map<std::pair<std::string, MetricLabels>, MetricSample>;

void add_to(SampleTable& table, MetricSample sample) {
  std::pair key(sample.name, sample.labels);
  const auto [entry, is_new] = table.try_emplace(std::move(key), std::move(sample));
  if (is_new) return;
  MetricSample& sum = entry->second;
  sum.value += sample.value;
  for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += sample.counts[i];
}

}  // namespace

struct Metrics::State {
  std::mutex mutex;  // guards creation; updates go to the series directly
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};

  std::mutex sources_mutex;  // held while sources are asked, so that none ends meanwhile
  std::uint64_t next_source = 1;
  std::map<std::uint64_t, MetricSource> sources;
  SampleTable left;  // by sources that have ended

  std::vector<prometheus::MetricFamily> gather();
};

std::vector<prometheus::MetricFamily> Metrics::State::gather() {
  std::vector<prometheus::MetricFamily> families = registry.Collect();
  SampleTable collected;
  {
    std::lock_guard lock(sources_mutex);
    collected = left;
    for (const auto& [id, source] : sources) {
      for (MetricSample& sample : source()) add_to(collected, std::move(sample));
    }
  }
  for (const auto& [key, sample] : collected) {
    if (families.empty() || families.back().name != sample.name) {
      const auto type = sample.kind == MetricKind::counter     ? prometheus::MetricType::Counter
                        : sample.kind == MetricKind::histogram ? prometheus::MetricType::Histogram
                                                               : prometheus::MetricType::Gauge;
      families.push_back({.name = sample.name, .help = sample.help, .type = type, .metric = {}});
    }
    families.back().metric.push_back(client_metric(sample));
  }
  return families;
}

MetricSourceHandle::MetricSourceHandle(MetricSourceHandle&& other) noexcept
    : metrics_(std::exchange(other.metrics_, nullptr)), id_(other.id_) {}

MetricSourceHandle& MetricSourceHandle::operator=(MetricSourceHandle&& other) noexcept {
  if (this == &other) return *this;
  end();
  metrics_ = std::exchange(other.metrics_, nullptr);
  id_ = other.id_;
  return *this;
}

void MetricSourceHandle::end() {
  if (metrics_) std::exchange(metrics_, nullptr)->forget(id_);
}

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

MetricSourceHandle Metrics::collect(MetricSource source) {
  std::lock_guard lock(state_->sources_mutex);
  MetricSourceHandle handle;
  handle.metrics_ = this;
  handle.id_ = state_->next_source++;
  state_->sources.emplace(handle.id_, std::move(source));
  return handle;
}

void Metrics::forget(std::uint64_t source) {
  std::lock_guard lock(state_->sources_mutex);
  const auto entry = state_->sources.find(source);
  for (MetricSample& sample : entry->second()) {
    if (sample.kind == MetricKind::gauge) sample.value = 0;
    add_to(state_->left, std::move(sample));
  }
  state_->sources.erase(entry);
}

std::string Metrics::expose() const {
  return prometheus::TextSerializer().Serialize(state_->gather());
}

std::vector<MetricSample> Metrics::samples(std::string_view prefix) const {
  std::vector<MetricSample> found;
  for (const prometheus::MetricFamily& family : state_->gather()) {
    if (!family.name.starts_with(prefix)) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      found.push_back(sample_of(family, metric));
    }
  }
  return found;
}

}  // namespace millrace
