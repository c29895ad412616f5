// Admission: the door. Counts who waits, by tenant and priority, and refuses at once what would
// wait in vain: a full queue, or a time to first token that the forecast says cannot be met. A full
// queue still lets in a tenant below its fair share of it, or a higher priority; the engine then
// gives up another's place (displaces). Pure but for its mutex: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "engine/engine_config.h"

namespace millrace::engine {

// What the engine expects, published after each step; 0: not known yet, nothing is refused by it.
struct Forecast {
  double starts_per_second = 0;          // while requests wait, how fast they start
  double seconds_per_prefill_token = 0;  // at the present decode load
  double step_seconds = 0;
  std::int64_t num_prefill_tokens_left = 0;  // of sequences that have started
  bool is_full = false;                      // no sequence can start until another ends
};

// One request as the door sees it.
struct Visitor {
  std::string tenant;
  int priority = 0;
  int num_prompt_tokens = 0;
  bool has_slo = false;  // of the time to first token: such requests go before the others
  double due_in = std::numeric_limits<double>::infinity();  // seconds until its first token is due
};

class Admission {
 public:
  explicit Admission(const EngineConfig& config) : max_queued_(config.max_num_queued) {}

  // Counts the visitor as waiting, or refuses. Every admitted one must leave() once.
  Status enter(const Visitor& visitor);
  void leave(const Visitor& visitor);  // started, or gone
  void publish(const Forecast& forecast);

  int num_waiting() const;
  // When a refused client may try again.
  std::int64_t retry_after_ms() const;
  // Seconds until a request like this would have its first token. The order of waiting work:
  // priority, then fairness between tenants, then slack.
  double expected_ttft(const Visitor& visitor) const;

 private:
  struct Waiting {
    int with_slo = 0, without_slo = 0;
    int all() const { return with_slo + without_slo; }
  };
  static void count(Waiting& waiting, const Visitor& visitor, int by);
  bool may_displace(const Visitor& visitor) const;
  double expected_ttft_locked(const Visitor& visitor) const;
  std::int64_t retry_after_ms_locked() const;

  const int max_queued_;
  mutable std::mutex mutex_;
  Forecast forecast_;
  int num_waiting_ = 0;
  std::int64_t num_prompt_tokens_ = 0;  // of those that wait
  std::unordered_map<std::string, Waiting> by_tenant_;
  std::map<int, Waiting> by_priority_;
};

}  // namespace millrace::engine
