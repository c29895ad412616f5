#include "engine/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace millrace::engine {

namespace {

// Forecasts err; who is promised a start is to make it.
constexpr double kForecastMargin = 1.2;
constexpr double kMinRetrySeconds = 0.25, kMaxRetrySeconds = 30;

template <class Map, class Key>
void forget_if_empty(Map& map, const Key& key) {
  if (const auto found = map.find(key); found != map.end() && found->second.all() == 0)
    map.erase(found);
}

std::unexpected<Error> refuse(std::string message, std::string code, std::int64_t retry_after_ms) {
  return std::unexpected(Error{.kind = ErrorKind::unavailable,
                               .message = std::move(message),
                               .code = std::move(code),
                               .retry_after_ms = retry_after_ms});
}

}  // namespace

void Admission::count(Waiting& waiting, const Visitor& visitor, int by) {
  (visitor.has_slo ? waiting.with_slo : waiting.without_slo) += by;
}

Status Admission::enter(const Visitor& visitor) {
  std::lock_guard lock(mutex_);
  if (num_waiting_ >= max_queued_ && !may_displace(visitor))
    return refuse(fmt::format("the queue of {} waiting requests is full; retry later", max_queued_),
                  "queue_full", retry_after_ms_locked());
  const double expected = expected_ttft_locked(visitor) * kForecastMargin;
  if (expected > visitor.due_in) {
    const double too_late = expected - visitor.due_in;
    return refuse(fmt::format("the deadline cannot be met: the first token would take about "
                              "{:.0f} ms and is due in {:.0f} ms; retry later or allow more time",
                              expected * 1e3, visitor.due_in * 1e3),
                  "deadline_unattainable",
                  std::llround(1e3 * std::clamp(too_late, kMinRetrySeconds, kMaxRetrySeconds)));
  }
  count(by_tenant_[visitor.tenant], visitor, 1);
  count(by_priority_[visitor.priority], visitor, 1);
  num_prompt_tokens_ += visitor.num_prompt_tokens;
  ++num_waiting_;
  return {};
}

void Admission::leave(const Visitor& visitor) {
  std::lock_guard lock(mutex_);
  count(by_tenant_[visitor.tenant], visitor, -1);
  count(by_priority_[visitor.priority], visitor, -1);
  forget_if_empty(by_tenant_, visitor.tenant);
  forget_if_empty(by_priority_, visitor.priority);
  num_prompt_tokens_ -= visitor.num_prompt_tokens;
  --num_waiting_;
}

// The queue is full: does somebody wait who should give way? Never beyond twice the bound.
bool Admission::may_displace(const Visitor& visitor) const {
  if (num_waiting_ >= 2 * max_queued_) return false;
  if (!by_priority_.empty() && by_priority_.rbegin()->first > visitor.priority) return true;
  const auto own = by_tenant_.find(visitor.tenant);
  const int num_own = own == by_tenant_.end() ? 0 : own->second.all();
  const auto num_tenants = static_cast<int>(by_tenant_.size()) + (own == by_tenant_.end() ? 1 : 0);
  const bool lowest = by_priority_.empty() || by_priority_.rbegin()->first == visitor.priority;
  return lowest && (num_own + 1) * num_tenants <= max_queued_;
}

double Admission::expected_ttft_locked(const Visitor& visitor) const {
  const bool has_slo = visitor.has_slo;
  int num_ahead = 0;
  for (const auto& [priority, waiting] : by_priority_) {
    if (priority > visitor.priority) break;
    num_ahead += has_slo && priority == visitor.priority ? waiting.with_slo : waiting.all();
  }
  // Tenants take turns: of each other tenant, no more goes first than of this one.
  const auto own = by_tenant_.find(visitor.tenant);
  const int num_own = own == by_tenant_.end() ? 0
                      : has_slo               ? own->second.with_slo
                                              : own->second.all();
  const int num_tenants = static_cast<int>(by_tenant_.size()) + (own == by_tenant_.end() ? 1 : 0);
  const int fair_ahead = std::min(num_ahead, (num_own + 1) * num_tenants - 1);

  double wait_for_start = 0;
  if (forecast_.starts_per_second > 0 && (forecast_.is_full || fair_ahead > 0))
    wait_for_start = (fair_ahead + (forecast_.is_full ? 1 : 0)) / forecast_.starts_per_second;
  const double tokens_ahead =
      static_cast<double>(forecast_.num_prefill_tokens_left) +
      (num_waiting_ == 0 ? 0.0
                         : static_cast<double>(num_prompt_tokens_) * fair_ahead / num_waiting_);
  const double per_token = forecast_.seconds_per_prefill_token;
  return std::max(wait_for_start, tokens_ahead * per_token) +
         visitor.num_prompt_tokens * per_token + forecast_.step_seconds;
}

double Admission::expected_ttft(const Visitor& visitor) const {
  std::lock_guard lock(mutex_);
  return expected_ttft_locked(visitor);
}

void Admission::publish(const Forecast& forecast) {
  std::lock_guard lock(mutex_);
  forecast_ = forecast;
}

int Admission::num_waiting() const {
  std::lock_guard lock(mutex_);
  return num_waiting_;
}

std::int64_t Admission::retry_after_ms() const {
  std::lock_guard lock(mutex_);
  return retry_after_ms_locked();
}

std::int64_t Admission::retry_after_ms_locked() const {
  const double seconds =
      forecast_.starts_per_second > 0 ? num_waiting_ / forecast_.starts_per_second : 1.0;
  return std::llround(1e3 * std::clamp(seconds, kMinRetrySeconds, kMaxRetrySeconds));
}

}  // namespace millrace::engine
