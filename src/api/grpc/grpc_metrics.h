// What the gRPC port counts: grpc_requests_total{method,code} and
// grpc_request_duration_seconds{method}. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/metrics.h"

namespace millrace::api {

class GrpcMetrics {
 public:
  explicit GrpcMetrics(Metrics& metrics);
  // `method` is one of the table's paths, or "none"; `code` as gRPC numbers them.
  void observe(const std::string& method, int code, double seconds);

 private:
  struct Series {
    HistogramRef duration;
    std::map<int, CounterRef> by_code;
  };

  Series& series_of(const std::string& method);                       // mutex_ held
  const CounterRef& counter_of(const std::string& method, int code);  // mutex_ held

  Metrics& metrics_;
  std::mutex mutex_;
  std::map<std::string, Series> series_;
};

}  // namespace millrace::api
