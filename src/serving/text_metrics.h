// What text requests tell the metrics: latencies as the client sees them, and token counts. Names and
// buckets are vLLM's, so that dashboards and gateways work unchanged.
#pragma once

#include <string>

#include "base/metrics.h"
#include "servable/requests.h"

namespace millrace::serving {

struct TextMetrics {
  TextMetrics(Metrics& metrics, const std::string& model_name);

  HistogramRef time_to_first_token;  // seconds, from the request's arrival
  HistogramRef inter_token_latency;
  HistogramRef request_latency;
  HistogramRef prompt_tokens, generation_tokens;  // a request
  CounterRef finished_stop, finished_length, finished_abort, finished_error;

  const CounterRef& finished(FinishReason reason) const;
};

}  // namespace millrace::serving
