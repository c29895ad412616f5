#include "engine/engine_metrics.h"

#include <fmt/format.h>

namespace millrace::engine {

namespace {

using Bounds = std::vector<double>;
const Bounds kTtft = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                      1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
const Bounds kInterToken = {.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                            .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
const Bounds kRequest = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                         30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
// Ours start where small models on fast machines live.
const Bounds kFine = {.0005, .001, .002, .003, .005, .0075, .01, .015, .02, .025, .03, .04, .05,
                      .075,  .1,   .15,  .25,  .5,   1,     2.5, 5,    10,  30,   60,  120};
const Bounds kTokens = {1,   2,    5,    10,   20,    50,    100,   200,
                        500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
const Bounds kIteration = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

// Makes pairs that share help and labels.
struct Maker {
  Metrics& metrics;
  MetricLabels labels;
  MetricLabels alias_labels() const {
    MetricLabels all = labels;
    all["engine"] = "0";
    return all;
  }
  CounterPair counter(const char* ours, const char* alias, const char* help,
                      const MetricLabels& extra = {}) const {
    MetricLabels mine = labels, theirs = alias_labels();
    mine.insert(extra.begin(), extra.end());
    theirs.insert(extra.begin(), extra.end());
    return {metrics.counter(ours, help, mine), metrics.counter(alias, help, theirs)};
  }
  GaugePair gauge(const char* ours, const char* alias, const char* help) const {
    return {metrics.gauge(ours, help, labels), metrics.gauge(alias, help, alias_labels())};
  }
  HistogramPair histogram(const char* ours, const char* alias, const char* help, const Bounds& fine,
                          const Bounds& bounds) const {
    return {metrics.histogram(ours, help, fine, labels),
            metrics.histogram(alias, help, bounds, alias_labels())};
  }
};

}  // namespace

EngineMetrics::EngineMetrics(Metrics& metrics, const EngineConfig& config) {
  const Maker make{metrics, {{"model_name", config.model_name}}};
  running = make.gauge("millrace_requests_running", "vllm:num_requests_running",
                       "Requests in the running batch.");
  waiting = make.gauge("millrace_requests_waiting", "vllm:num_requests_waiting",
                       "Requests waiting to start.");
  kv_usage = make.gauge("millrace_kv_cache_usage_ratio", "vllm:kv_cache_usage_perc",
                        "KV blocks in use by requests, 0 to 1.");
  prompt_tokens = make.counter("millrace_prompt_tokens_total", "vllm:prompt_tokens_total",
                               "Prompt tokens of requests that started.");
  generation_tokens = make.counter("millrace_generation_tokens_total",
                                   "vllm:generation_tokens_total", "Tokens generated.");
  preemptions = make.counter("millrace_preemptions_total", "vllm:num_preemptions_total",
                             "Sequences put back to make room.");
  prefix_queries = make.counter("millrace_prefix_cache_queries_total", "vllm:prefix_cache_queries",
                                "Tokens looked up in the prefix cache.");
  prefix_hits = make.counter("millrace_prefix_cache_hits_total", "vllm:prefix_cache_hits",
                             "Tokens found in the prefix cache.");
  ttft = make.histogram("millrace_time_to_first_token_seconds", "vllm:time_to_first_token_seconds",
                        "From arrival to the first token.", kFine, kTtft);
  inter_token =
      make.histogram("millrace_inter_token_latency_seconds", "vllm:inter_token_latency_seconds",
                     "Between tokens of a request.", kFine, kInterToken);
  e2e = make.histogram("millrace_request_seconds", "vllm:e2e_request_latency_seconds",
                       "From arrival to the last token.", kFine, kRequest);
  queue_time = make.histogram("millrace_request_queue_seconds", "vllm:request_queue_time_seconds",
                              "From queued to first scheduled.", kFine, kRequest);
  prefill_time =
      make.histogram("millrace_request_prefill_seconds", "vllm:request_prefill_time_seconds",
                     "From first scheduled to the first token.", kFine, kRequest);
  decode_time =
      make.histogram("millrace_request_decode_seconds", "vllm:request_decode_time_seconds",
                     "From the first to the last token.", kFine, kRequest);
  inference_time =
      make.histogram("millrace_request_inference_seconds", "vllm:request_inference_time_seconds",
                     "From first scheduled to the last token.", kFine, kRequest);
  request_prompt_tokens =
      make.histogram("millrace_request_prompt_tokens", "vllm:request_prompt_tokens",
                     "Prompt tokens a request.", kTokens, kTokens);
  request_generation_tokens =
      make.histogram("millrace_request_generation_tokens", "vllm:request_generation_tokens",
                     "Tokens generated a request.", kTokens, kTokens);
  request_max_tokens =
      make.histogram("millrace_request_max_tokens", "vllm:request_params_max_tokens",
                     "max_tokens a request.", kTokens, kTokens);
  iteration_tokens = make.histogram("millrace_step_tokens", "vllm:iteration_tokens_total",
                                    "New tokens a step.", kIteration, kIteration);

  add_endings(metrics, make.labels);
  step_seconds =
      metrics.histogram("millrace_step_seconds", "Duration of an engine step.", kFine, make.labels);
  cost_model_error = metrics.gauge("millrace_cost_model_relative_error",
                                   "Mean relative error of predicted step times.", make.labels);
  MetricLabels cache = make.alias_labels();
  cache["block_size"] = fmt::format("{}", config.block_tokens);
  cache["num_gpu_blocks"] = fmt::format("{}", config.num_blocks);
  cache["enable_prefix_caching"] = config.enable_prefix_caching ? "True" : "False";
  metrics.gauge("vllm:cache_config_info", "The KV cache's shape.", cache).set(1);
}

void EngineMetrics::add_endings(Metrics& metrics, const MetricLabels& labels) {
  const Maker make{metrics, labels};
  const auto finished = [&](const std::string& reason) {
    return make.counter("millrace_requests_finished_total", "vllm:request_success_total",
                        "Requests that ended, by reason.", {{"finished_reason", reason}});
  };
  finished_stop_ = finished("stop");
  finished_length_ = finished("length");
  finished_abort_ = finished("abort");

  const auto counter = [&](const char* name, const char* help, const MetricLabels& extra = {}) {
    MetricLabels all = labels;
    all.insert(extra.begin(), extra.end());
    return metrics.counter(name, help, all);
  };
  finished_error_ = counter("millrace_requests_finished_total", "Requests that ended, by reason.",
                            {{"finished_reason", "error"}});
  const auto refused = [&](const std::string& reason) {
    return counter("millrace_requests_refused_total", "Requests refused at the engine's door.",
                   {{"reason", reason}});
  };
  refused_full = refused("queue_full");
  refused_deadline = refused("deadline_unattainable");
  refused_invalid = refused("invalid");
  stalled = counter("millrace_stalled_readers_total", "Streams dropped because nobody read them.");
  step_failures = counter("millrace_step_failures_total", "Steps that failed as a whole.");
  integrity_violations = counter("millrace_engine_integrity_violations_total",
                                 "Idle checks that found blocks or requests miscounted.");
}

void EngineMetrics::count_finished(FinishReason reason) const {
  switch (reason) {
    case FinishReason::stop:
      finished_stop_.add();
      break;
    case FinishReason::length:
      finished_length_.add();
      break;
    case FinishReason::cancelled:
      finished_abort_.add();
      break;
    case FinishReason::error:
      finished_error_.add();
      break;
    case FinishReason::none:
      break;
  }
}

}  // namespace millrace::engine
