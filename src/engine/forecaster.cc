#include "engine/forecaster.h"

#include <algorithm>
#include <cmath>

namespace millrace::engine {

namespace {

constexpr double kRateWindow = 2.0;  // seconds over which the start rate is averaged
constexpr double kMinBusy = 0.25;    // seconds of waiting before a first rate is believed
constexpr double kStepSmoothing = 0.1;
constexpr double kLengthSmoothing = 0.05;

double smoothed(double old, double sample, double weight) {
  return old == 0 ? sample : old + weight * (sample - old);
}

}  // namespace

void Forecaster::observe(const Scheduler& scheduler, const EngineConfig& config,
                         double step_seconds, int num_started, bool queue_was_empty) {
  forecast_.step_seconds = smoothed(forecast_.step_seconds, step_seconds, kStepSmoothing);
  forecast_.is_full = scheduler.num_running() >= config.max_num_seqs || scheduler.num_waiting() > 0;
  forecast_.num_prefill_tokens_left = scheduler.num_prefill_tokens_left();

  // Starts say something about capacity only while somebody waits. Counted by step, so that a
  // device that slows down is believed at once.
  if (!queue_was_empty) {
    const double fade = std::exp(-step_seconds / kRateWindow);
    busy_seconds_ = busy_seconds_ * fade + step_seconds;
    num_busy_steps_ = num_busy_steps_ * fade + 1;
    num_started_ = num_started_ * fade + num_started;
  }
  if (busy_seconds_ >= kMinBusy && num_started_ > 0)
    forecast_.starts_per_second = num_started_ / (num_busy_steps_ * forecast_.step_seconds);

  // Until that is measured: what running sequences of the usual length would free.
  if (busy_seconds_ < kMinBusy && mean_output_tokens_ > 0)
    forecast_.starts_per_second =
        config.max_num_seqs / (mean_output_tokens_ * forecast_.step_seconds);

  // What a prompt token costs: the time of steps that computed any, over their prompt tokens; for
  // steps that had room left this is an upper bound, so only full ones count.
  const StepPlan& plan = scheduler.plan();
  const int num_prompt_tokens = plan.load.num_new_tokens - plan.num_decodes;
  if (num_prompt_tokens > 0 && forecast_.num_prefill_tokens_left > 0)
    forecast_.seconds_per_prefill_token = smoothed(
        forecast_.seconds_per_prefill_token, step_seconds / num_prompt_tokens, kStepSmoothing);
}

void Forecaster::observe_finished(int num_output_tokens) {
  mean_output_tokens_ = smoothed(mean_output_tokens_, num_output_tokens, kLengthSmoothing);
}

}  // namespace millrace::engine
