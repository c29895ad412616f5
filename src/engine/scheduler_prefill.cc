// The part of Scheduler that shares out what the decodes leave of a step: prompts, old and new.
#include <algorithm>
#include <tuple>

#include "engine/scheduler.h"

namespace millrace::engine {

namespace {

constexpr double kTpotMargin = 0.95;        // of a TPOT SLO that a step may plan to use
constexpr int kMaxPartialPrefills = 4;      // prompts computed in chunks at the same time
constexpr int kMaxStepsWithoutPrefill = 4;  // then one block's worth runs whatever it costs
constexpr int kMaxBlockedSteps = 32;        // before a sequence that did not fit is tried again

}  // namespace

// What the step may take for the sake of those that decode.
Scheduler::Limit Scheduler::step_limit() const {
  Limit limit;
  bool any_without_slo = false;
  for (const SeqId id : decoding_) {
    const double tpot = sequence(id).tpot_seconds;
    any_without_slo |= tpot == kNoTime;
    limit.seconds = std::min(limit.seconds, tpot * kTpotMargin);
  }
  limit.is_slo = limit.seconds < kNoTime;
  if (any_without_slo) {
    const double decodes = cost_model_.predict(plan_.load);
    const double pressed = decodes * (1 + backlog_seconds() / config_.backlog_goal_seconds);
    limit.seconds = std::min(
        limit.seconds, std::max({config_.decode_stretch * decodes, config_.relaxed_step_seconds,
                                 std::min(pressed, config_.pressed_step_seconds)}));
  }
  return limit;
}

// How long the prompts that have or could get a seat now would take by themselves.
double Scheduler::backlog_seconds() const {
  auto num_tokens = static_cast<double>(num_prefill_tokens_left());
  const int num_seats = std::max(config_.max_num_seqs - num_running(), 0);
  if (num_seats > 0 && !queue_.empty())
    num_tokens += static_cast<double>(num_waiting_tokens_) * std::min(num_seats, queue_.size()) /
                  queue_.size();
  if (num_tokens < 1) return 0;
  const int chunk = static_cast<int>(std::min(num_tokens, 1.0 * config_.max_num_batched_tokens));
  return cost_model_.predict(with_chunk({}, 0, chunk)) * num_tokens / chunk;
}

void Scheduler::plan_prefills() {
  if (prefilling_.empty() && queue_.empty()) return;
  const Limit limit = step_limit();
  bool forced = ++num_steps_without_prefill_ > kMaxStepsWithoutPrefill;

  prefill_order_ = prefilling_;
  std::sort(prefill_order_.begin(), prefill_order_.end(),
            [&](SeqId a, SeqId b) { return precedes(a, b); });
  std::size_t next_running = 0;
  while (plan_.load.num_new_tokens < config_.max_num_batched_tokens) {
    const SeqId id = next_prefill(&next_running);
    if (id < 0) return;
    const bool waits = sequence(id).phase == Phase::waiting;
    const bool may_force = forced && !(waits && limit.is_slo);
    if (waits && chunk_for(sequence(id), limit.seconds, false) == 0 && !may_force) return;
    if (waits && !admit(id)) {
      if (!reclaim_from_paused()) is_queue_blocked_ = true;
      continue;
    }
    Sequence& s = at(id);
    const bool others_wait = next_running < prefill_order_.size() || queue_may_start();
    int chunk = chunk_for(s, limit.seconds, others_wait);
    if (chunk == 0 && may_force)
      chunk = std::min(chunk_for(s, kNoTime, false), config_.block_tokens);
    if (chunk == 0) return;
    forced = false;
    num_steps_without_prefill_ = 0;
    plan_sequence(s, id, chunk);
    if (s.wants_prompt_logprobs) num_prompt_logprob_rows_ -= chunk;
    tenants_.charge(s.tenant, chunk);
  }
}

bool Scheduler::precedes(SeqId a, SeqId b) const {
  const Sequence &x = sequence(a), &y = sequence(b);
  return std::tie(x.priority, x.wait_key) < std::tie(y.priority, y.wait_key);
}

bool Scheduler::queue_may_start() const {
  return !is_queue_blocked_ && !queue_.empty() && num_running() < config_.max_num_seqs;
}

// The running prefill or the waiting sequence that should have the next share of this step; -1 when
// there is none.
SeqId Scheduler::next_prefill(std::size_t* next_running) {
  const SeqId running =
      *next_running < prefill_order_.size() ? prefill_order_[*next_running] : SeqId{-1};
  const WaitKey* key = queue_may_start() ? front_of_queue() : nullptr;
  if (key != nullptr && (still_blocked(key->sequence) || too_many_partial(key->sequence))) {
    is_queue_blocked_ = true;
    key = nullptr;
  }
  if (key != nullptr && (running < 0 || precedes(key->sequence, running))) return key->sequence;
  if (running >= 0) ++*next_running;
  return running;
}

// It did not fit a moment ago and nothing has changed: do not look its prefix up again.
bool Scheduler::still_blocked(SeqId id) {
  if (id != blocked_ || pool().num_available() >= blocked_until_ || num_running() == 0)
    return false;
  return ++num_blocked_steps_ < kMaxBlockedSteps;
}

bool Scheduler::too_many_partial(SeqId id) const {
  const Sequence& s = sequence(id);
  const bool outranks =
      !prefill_order_.empty() && s.priority < sequence(prefill_order_.back()).priority;
  return prefilling_.size() >= kMaxPartialPrefills && !outranks &&
         s.num_tokens() > config_.max_num_batched_tokens - plan_.load.num_new_tokens;
}

int Scheduler::chunk_for(const Sequence& s, double seconds, bool others_wait) const {
  const int num_left = s.num_tokens() - s.num_computed_tokens;
  int chunk = std::min(num_left, config_.max_num_batched_tokens - plan_.load.num_new_tokens);
  if (s.wants_prompt_logprobs) chunk = std::min(chunk, num_prompt_logprob_rows_);
  if (seconds < kNoTime)
    chunk = cost_model_.max_chunk(plan_.load, s.num_computed_tokens, seconds, chunk);
  // A long prompt leaves room for the short ones behind it.
  return others_wait && chunk < num_left ? (chunk + 1) / 2 : chunk;
}

bool Scheduler::admit(SeqId id) {
  Sequence& s = at(id);
  // While others run, leave room for them to grow.
  const int num_spare =
      num_running() == 0 ? 0 : std::min(num_running(), std::max(1, pool().num_blocks() / 50));
  int num_missing = 0;
  if (!kv_.admit(s, num_spare, &num_missing)) {
    blocked_ = id;
    blocked_until_ = pool().num_available() + num_missing;
    num_blocked_steps_ = 0;
    return false;
  }
  s.tokens.reserve(static_cast<std::size_t>(s.num_prompt_tokens + s.max_new_tokens));
  num_prefix_queries_ += static_cast<std::uint64_t>(s.num_tokens());
  num_prefix_hits_ += static_cast<std::uint64_t>(s.num_computed_tokens);
  tenants_.chosen(s.tenant);
  if (s.first_scheduled < 0) {
    s.first_scheduled = now_;
    s.num_cached_tokens = s.num_computed_tokens;
  }
  enter(id, Phase::prefill);
  return true;
}

// Slow readers keep their blocks only until somebody else needs them.
bool Scheduler::reclaim_from_paused() {
  if (paused_.empty()) return false;
  preempt(paused_.front());
  blocked_ = -1;
  return true;
}

std::int64_t Scheduler::num_prefill_tokens_left() const {
  std::int64_t sum = 0;
  for (const SeqId id : prefilling_)
    sum += sequence(id).num_tokens() - sequence(id).num_computed_tokens;
  return sum;
}

}  // namespace millrace::engine
