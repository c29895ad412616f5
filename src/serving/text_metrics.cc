#include "serving/text_metrics.h"

#include <vector>

namespace millrace::serving {
namespace {

const std::vector<double> kFirstTokenBounds = {.001, .005, .01, .02, .04, .06, .08, .1,
                                               .25,  .5,   .75, 1,   2.5, 5,   7.5, 10,
                                               20,   40,   80,  160, 640, 2560};
const std::vector<double> kTokenBounds = {.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4,
                                          .5,   .75,   1,    2.5, 5,    7.5, 10,   20, 40,  80};
const std::vector<double> kRequestBounds = {.01, .025, .05, .1, .3, .5, .8,  1,   1.5, 2,   2.5, 5,   10,
                                            15,  20,   30,  40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> kLengthBounds = {1,   2,    5,    10,   20,   50,    100,   200,
                                           500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

CounterRef finished_counter(Metrics& metrics, const std::string& model_name, const char* reason) {
  return metrics.counter("vllm:request_success_total", "Finished sequences by reason",
                         {{"model_name", model_name}, {"finished_reason", reason}});
}

}  // namespace

TextMetrics::TextMetrics(Metrics& metrics, const std::string& model_name)
    : time_to_first_token(metrics.histogram("vllm:time_to_first_token_seconds",
                                            "From arrival to the first token", kFirstTokenBounds,
                                            {{"model_name", model_name}})),
      inter_token_latency(metrics.histogram("vllm:inter_token_latency_seconds",
                                            "Between one token and the next", kTokenBounds,
                                            {{"model_name", model_name}})),
      request_latency(metrics.histogram("vllm:e2e_request_latency_seconds",
                                        "From arrival to the end of the answer", kRequestBounds,
                                        {{"model_name", model_name}})),
      prompt_tokens(metrics.histogram("vllm:request_prompt_tokens", "Prompt tokens of a request",
                                      kLengthBounds, {{"model_name", model_name}})),
      generation_tokens(metrics.histogram("vllm:request_generation_tokens",
                                          "Generated tokens of a request", kLengthBounds,
                                          {{"model_name", model_name}})),
      finished_stop(finished_counter(metrics, model_name, "stop")),
      finished_length(finished_counter(metrics, model_name, "length")),
      finished_abort(finished_counter(metrics, model_name, "abort")),
      finished_error(finished_counter(metrics, model_name, "error")) {}

const CounterRef& TextMetrics::finished(FinishReason reason) const {
  switch (reason) {
    case FinishReason::stop: return finished_stop;
    case FinishReason::length: return finished_length;
    case FinishReason::error: return finished_error;
    case FinishReason::none:
    case FinishReason::cancelled: break;
  }
  return finished_abort;
}

}  // namespace millrace::serving
