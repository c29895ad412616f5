#include "api/tracing.h"

namespace millrace::api {

TraceHandle begin_trace(const ApiContext& context, const net::HttpRequest& http,
                        std::string_view kind, std::string_view model, TimePoint began) {
  const std::string_view asked = http.header("x-trace");
  auto trace = context.traces.begin(kind, model, http.arrival, asked == "1" || asked == "true",
                                    http.header("traceparent"));
  trace.span("http parse", http.arrival, began);
  return trace;
}

}  // namespace millrace::api
