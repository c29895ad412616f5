// HttpMetrics: what a listener counts, with the series of each route resolved once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "net/router.h"

namespace millrace::net {

// http_requests_total{handler,method,status}, http_request_duration_seconds{handler,method} and
// http_open_connections{listener}. `handler` is the route's pattern, or "none". Thread-safe.
class HttpMetrics {
 public:
  // Borrows both.
  HttpMetrics(Metrics& metrics, const Router& router, const std::string& listener);
  // `route` may be null; then `method` says which series, else the route's own method does.
  void observe(const Route* route, std::string_view method, int status, double seconds);
  void connection_opened() { open_connections_.add(1); }
  void connection_closed() { open_connections_.add(-1); }

 private:
  static constexpr std::size_t kNumStatuses = 500;  // 100 to 599
  struct Series {
    std::string handler, method;
    HistogramRef duration;
    std::array<std::atomic<const CounterRef*>, kNumStatuses> requests{};
  };

  void name_series(Series& series, const std::string& handler, const std::string& method);
  const CounterRef& counter(Series& series, int status);

  Metrics& metrics_;
  const Router& router_;
  GaugeRef open_connections_;
  std::size_t num_routes_;
  std::unique_ptr<Series[]> series_;  // the routes', then one for each method without a route
  std::mutex mutex_;                  // guards counters_
  std::deque<CounterRef> counters_;
};

}  // namespace millrace::net
