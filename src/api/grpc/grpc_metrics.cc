#include "api/grpc/grpc_metrics.h"

#include <iterator>
#include <vector>

namespace millrace::api {
namespace {

const char* name_of(int code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  return code >= 0 && code < static_cast<int>(std::size(kNames)) ? kNames[code] : "UNKNOWN";
}

const std::vector<double>& bounds() {
  static const std::vector<double> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                              0.5,   1,      2.5,   5,    10,    30,   60,  300};
  return kBounds;
}

}  // namespace

GrpcMetrics::GrpcMetrics(Metrics& metrics) : metrics_(metrics) {
  (void)counter_of("none", 12);  // a scrape sees both families from the start
}

GrpcMetrics::Series& GrpcMetrics::series_of(const std::string& method) {
  const auto found = series_.find(method);
  if (found != series_.end()) return found->second;
  Series made{.duration = metrics_.histogram("grpc_request_duration_seconds",
                                             "From a call's start to its end.", bounds(),
                                             {{"method", method}}),
              .by_code = {}};
  return series_.emplace(method, std::move(made)).first->second;
}

const CounterRef& GrpcMetrics::counter_of(const std::string& method, int code) {
  auto& by_code = series_of(method).by_code;
  const auto found = by_code.find(code);
  if (found != by_code.end()) return found->second;
  const CounterRef made = metrics_.counter("grpc_requests_total", "Calls by method and code.",
                                           {{"method", method}, {"code", name_of(code)}});
  return by_code.emplace(code, made).first->second;
}

void GrpcMetrics::observe(const std::string& method, int code, double seconds) {
  std::lock_guard lock(mutex_);
  counter_of(method, code).add();
  series_of(method).duration.observe(seconds);
}

}  // namespace millrace::api
