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
  // A sequence ended by itself after this many tokens.
  void observe_finished(int num_output_tokens);
  // Nothing is left to do: whoever comes now starts at once.
  void rest() {
    forecast_.is_full = false;
    forecast_.num_prefill_tokens_left = 0;
  }
  const Forecast& forecast() const { return forecast_; }

 private:
  Forecast forecast_;
  // While requests waited, fading.
  double busy_seconds_ = 0;
  double num_busy_steps_ = 0;
  double num_started_ = 0;
  double mean_output_tokens_ = 0;
};

}  // namespace millrace::engine
