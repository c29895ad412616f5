// LiveRequest: what the engine keeps of a request beside its Sequence: the reply channel, events
// the reader has not made room for, and the times that metrics need. Engine thread only.
#pragma once

#include <deque>
#include <memory>

#include "engine/admission.h"
#include "engine/engine_metrics.h"
#include "engine/sequence.h"
#include "servable/servable.h"

namespace millrace::engine {

enum class Delivery : std::uint8_t { done, held, cancelled };

struct LiveRequest {
  GenerateRequest request;              // its prompt has moved to the Sequence
  std::shared_ptr<TokenChannel> reply;  // shared with the reader
  Visitor visitor;
  bool started = false;  // scheduled at least once
  int num_prompt_tokens = 0;
  int num_completion_tokens = 0;
  int num_cached_tokens = 0;
  std::deque<TokenEvent> held;  // not yet taken by the channel; at most a token and an end
  double held_since = 0;
  double arrival = 0, queued = 0, scheduled = 0, first_token = 0, last_token = 0;

  TokenUsage usage() const { return {num_prompt_tokens, num_cached_tokens, num_completion_tokens}; }
  // Whether this token ends the request.
  FinishReason finish_after(TokenId token, const EngineConfig& config, bool* is_stop_token) const;
  // Pushes `event` behind what is held. Closes the channel after a last event.
  Delivery deliver(TokenEvent event, double now);
  Delivery deliver_held();
  void observe_token(const EngineMetrics& metrics, double now);
  void observe_end(const EngineMetrics& metrics, FinishReason reason, double now) const;
  // Times are seconds since `epoch`.
  void trace_end(TimePoint epoch, double now) const;
};

}  // namespace millrace::engine
