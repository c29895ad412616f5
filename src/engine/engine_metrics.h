// EngineMetrics: every series of one engine, each under our name and under vLLM's, so that
// dashboards and gateways made for vLLM work unchanged. Names and buckets of the aliases:
// https://docs.vllm.ai/en/latest/design/metrics.html. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "base/metrics.h"
#include "engine/engine_config.h"
#include "servable/requests.h"

namespace millrace::engine {

// One update, two series.
struct CounterPair {
  CounterRef ours, alias;
  void add(double amount = 1) const {
    ours.add(amount);
    alias.add(amount);
  }
};
struct GaugePair {
  GaugeRef ours, alias;
  void set(double value) const {
    ours.set(value);
    alias.set(value);
  }
};
struct HistogramPair {
  HistogramRef ours, alias;
  void observe(double value) const {
    ours.observe(value);
    alias.observe(value);
  }
};

struct EngineMetrics {
  EngineMetrics(Metrics& metrics, const EngineConfig& config);
  // request_success of vLLM counts only those that ended well; ours counts every end.
  void count_finished(FinishReason reason) const;

  GaugePair running, waiting, kv_usage;
  CounterPair prompt_tokens, generation_tokens, preemptions, prefix_queries, prefix_hits;
  HistogramPair ttft, inter_token, e2e, queue_time, prefill_time, decode_time, inference_time;
  HistogramPair request_prompt_tokens, request_generation_tokens, request_max_tokens;
  HistogramPair iteration_tokens;
  CounterRef integrity_violations, refused_full, refused_deadline, refused_invalid, stalled;
  CounterRef step_failures;
  HistogramRef step_seconds;
  GaugeRef cost_model_error;

 private:
  void add_endings(Metrics& metrics, const MetricLabels& labels);

  CounterPair finished_stop_, finished_length_, finished_abort_;
  CounterRef finished_error_;
};

}  // namespace millrace::engine
