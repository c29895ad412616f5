#include "net/http_metrics.h"

#include <algorithm>
#include <vector>

namespace millrace::net {
namespace {

// Clients choose methods; labels must stay few.
constexpr std::array<std::string_view, 9> kMethods = {"GET",     "HEAD",  "POST",  "PUT",  "DELETE",
                                                      "OPTIONS", "PATCH", "TRACE", "other"};
const std::vector<double>& duration_bounds() {
  static const std::vector<double> bounds = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25,
                                             .5,    1,    2.5,   5,    10,  30,   60,  120};
  return bounds;
}

}  // namespace

HttpMetrics::HttpMetrics(Metrics& metrics, const Router& router, const std::string& listener)
    : metrics_(metrics),
      router_(router),
      open_connections_(
          metrics.gauge("http_open_connections", "Connections now open", {{"listener", listener}})),
      num_routes_(router.routes().size()),
      series_(std::make_unique<Series[]>(num_routes_ + kMethods.size())) {
  for (std::size_t i = 0; i < num_routes_; ++i) {
    name_series(series_[i], router.routes()[i].pattern, router.routes()[i].method);
  }
  for (std::size_t i = 0; i < kMethods.size(); ++i) {
    name_series(series_[num_routes_ + i], "none", std::string(kMethods[i]));
  }
}

void HttpMetrics::name_series(Series& series, const std::string& handler,
                              const std::string& method) {
  series.handler = handler;
  series.method = method;
  series.duration =
      metrics_.histogram("http_request_duration_seconds", "First byte in to answer complete",
                         duration_bounds(), {{"handler", handler}, {"method", method}});
}

void HttpMetrics::observe(const Route* route, std::string_view method, int status, double seconds) {
  std::size_t index = 0;
  if (route) {
    index = static_cast<std::size_t>(route - router_.routes().data());
  } else {
    const auto known = std::find(kMethods.begin(), kMethods.end() - 1, method);
    index = num_routes_ + static_cast<std::size_t>(known - kMethods.begin());
  }
  Series& series = series_[index];
  series.duration.observe(seconds);
  counter(series, status).add();
}

const CounterRef& HttpMetrics::counter(Series& series, int status) {
  const auto slot = static_cast<std::size_t>(std::clamp(status, 100, 599) - 100);
  if (const CounterRef* known = series.requests[slot].load(std::memory_order_acquire))
    return *known;
  std::lock_guard lock(mutex_);
  const CounterRef& made = counters_.emplace_back(
      metrics_.counter("http_requests_total", "Requests answered; 499: the client left first",
                       {{"handler", series.handler},
                        {"method", series.method},
                        {"status", std::to_string(slot + 100)}}));
  series.requests[slot].store(&made, std::memory_order_release);
  return made;
}

}  // namespace millrace::net
