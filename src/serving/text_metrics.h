// How the choices of text requests end. Latencies and token counts are the engine's to tell; it
// cannot know that a stop string ended a sequence, or that the reader left.
#pragma once

#include <string>

#include "base/metrics.h"

namespace millrace::serving {

struct TextMetrics {
  TextMetrics(Metrics& metrics, const std::string& model_name);

  // millrace_choices_total{model_name, outcome}
  CounterRef stop, stop_string, length, cancelled, error;
};

}  // namespace millrace::serving
