// Forecaster: what the door needs to know, measured from the steps as they go. Pure.
#pragma once

#include "engine/admission.h"
#include "engine/scheduler.h"

namespace millrace::engine {

class Forecaster {
 public:
  // After each step: how long it took and how many waiting sequences started in it.
  void observe(const Scheduler& scheduler, const EngineConfig& config, double step_seconds,
               int num_started, bool queue_was_empty);
  // Nothing is left to do: whoever comes now starts at once.
  void rest() {
    forecast_.is_full = false;
    forecast_.num_prefill_tokens_left = 0;
  }
  const Forecast& forecast() const { return forecast_; }

 private:
  Forecast forecast_;
  double busy_seconds_ = 0;  // with requests waiting, since the rate was last taken
  double num_started_ = 0;
};

}  // namespace millrace::engine
