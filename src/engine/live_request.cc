#include "engine/live_request.h"

#include <algorithm>
#include <utility>

namespace millrace::engine {

namespace {

bool contains(const std::vector<TokenId>& tokens, TokenId token) {
  return std::ranges::find(tokens, token) != tokens.end();
}

}  // namespace

FinishReason LiveRequest::finish_after(TokenId token, const EngineConfig& config,
                                       bool* is_stop_token) const {
  const SamplingParams& s = request.sampling;
  *is_stop_token =
      (!s.ignore_eos && contains(config.eos_token_ids, token)) || contains(s.stop_token_ids, token);
  if (*is_stop_token) return FinishReason::stop;
  return num_completion_tokens >= s.max_tokens ? FinishReason::length : FinishReason::none;
}

Delivery LiveRequest::deliver(TokenEvent event, double now) {
  if (held.empty()) held_since = now;
  held.push_back(std::move(event));
  return deliver_held();
}

Delivery LiveRequest::deliver_held() {
  while (!held.empty()) {
    const bool is_last = held.front().finish != FinishReason::none;
    // try_push takes its argument even when full, so the reader's room is asked for first; this
    // thread is the only one that pushes.
    if (!reply->closed() && reply->size() >= reply->capacity()) return Delivery::held;
    if (reply->try_push(std::move(held.front())) == Push::closed) return Delivery::cancelled;
    held.pop_front();
    if (is_last) reply->close();
  }
  return Delivery::done;
}

void LiveRequest::observe_token(const EngineMetrics& metrics, double now) {
  if (num_completion_tokens == 1) {
    first_token = now;
    metrics.ttft.observe(now - arrival);
    metrics.prefill_time.observe(now - scheduled);
  } else {
    metrics.inter_token.observe(now - last_token);
  }
  last_token = now;
}

void LiveRequest::observe_end(const EngineMetrics& metrics, FinishReason reason, double now) const {
  metrics.count_finished(reason);
  if (reason != FinishReason::stop && reason != FinishReason::length) return;
  metrics.e2e.observe(now - arrival);
  metrics.inference_time.observe(now - scheduled);
  metrics.decode_time.observe(now - first_token);
  metrics.request_prompt_tokens.observe(num_prompt_tokens);
  metrics.request_generation_tokens.observe(num_completion_tokens);
  metrics.request_max_tokens.observe(request.sampling.max_tokens);
}

void LiveRequest::trace_end(TimePoint epoch, double now) const {
  if (!request.trace) return;
  const auto at = [&](double seconds) {
    return epoch +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  };
  request.trace.span("queue", at(queued), at(started ? scheduled : now));
  if (!started) return;
  const bool answered = num_completion_tokens > 0;
  request.trace.span("prefill", at(scheduled), at(answered ? first_token : now),
                     {{"prompt_tokens", num_prompt_tokens}, {"cached_tokens", num_cached_tokens}});
  if (answered) {
    request.trace.span("decode", at(first_token), at(last_token),
                       {{"tokens", num_completion_tokens}});
  }
}

}  // namespace millrace::engine
