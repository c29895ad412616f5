#include "serving/text_metrics.h"

namespace millrace::serving {
namespace {

CounterRef outcome(Metrics& metrics, const std::string& model_name, const char* name) {
  return metrics.counter("millrace_choices_total", "Choices of text requests by how they ended",
                         {{"model_name", model_name}, {"outcome", name}});
}

}  // namespace

TextMetrics::TextMetrics(Metrics& metrics, const std::string& model_name)
    : stop(outcome(metrics, model_name, "stop")),
      stop_string(outcome(metrics, model_name, "stop_string")),
      length(outcome(metrics, model_name, "length")),
      cancelled(outcome(metrics, model_name, "cancelled")),
      error(outcome(metrics, model_name, "error")) {}

}  // namespace millrace::serving
