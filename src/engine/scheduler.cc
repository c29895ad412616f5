#include "engine/scheduler.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/check.h"

namespace millrace::engine {

namespace {

constexpr double kDecodeWeight = 2.0;    // of a generated token against a prompt token
constexpr double kUrgentHorizon = 0.05;  // seconds before its latest start that one is urgent
constexpr int kMaxPutBack = 4;           // preempted in one step for those that should go first
constexpr auto kAnyPriority = std::numeric_limits<std::int64_t>::min();
int is_running(Phase phase) {
  return phase == Phase::prefill || phase == Phase::decode ? 1 : 0;
}

}  // namespace

Scheduler::Scheduler(const EngineConfig& config, HashKey key)
    : config_(config),
      queue_(tenants_, 4.0 * config.max_num_batched_tokens),
      kv_(config.num_blocks, config.block_tokens, config.enable_prefix_caching, key) {
  const auto num_seqs = static_cast<std::size_t>(config.max_num_seqs);
  plan_.sequences.reserve(num_seqs);
  for (std::vector<SeqId>* list : {&decoding_, &prefilling_, &paused_, &ready_, &prefill_order_})
    list->reserve(num_seqs);
}

SeqId Scheduler::add(NewSequence added) {
  if (unused_slots_.empty()) {
    unused_slots_.push_back(static_cast<SeqId>(sequences_.size()));
    sequences_.emplace_back();
  }
  const SeqId id = unused_slots_.back();
  unused_slots_.pop_back();
  Sequence& s = at(id);
  s = Sequence{};
  s.priority = added.priority;
  s.tenant = tenants_.acquire(added.tenant);
  s.scope = kv_.acquire_scope(added.tenant, added.cache_salt);
  s.wants_prompt_logprobs = added.wants_prompt_logprobs;
  s.num_prompt_tokens = static_cast<int>(added.prompt.size());
  s.max_new_tokens = std::max(added.max_new_tokens, 1);
  s.tokens = std::move(added.prompt);
  s.tpot_seconds = added.tpot_seconds;
  s.arrival = added.arrival;
  s.wait_key.arrival_order = next_arrival_order_++;
  s.deadline = added.deadline;
  if (s.deadline < kNoTime) deadlines_.emplace(s.deadline, id);

  // A request without an SLO is due after our patience; those are never late enough to be demoted.
  s.keeps_latest_start = added.ttft_due == kNoTime;
  s.ttft_budget = std::min(added.ttft_due - s.arrival, config_.patience_seconds);
  const double due =
      std::min({added.ttft_due, added.deadline, s.arrival + config_.patience_seconds});
  enqueue(id, due - cost_model_.predict(with_chunk({}, 0, s.num_prompt_tokens)));
  ++num_live_;
  return id;
}

void Scheduler::remove(SeqId id, bool forget) {
  Sequence& s = at(id);
  MILLRACE_CHECK(s.phase != Phase::unused);
  enter(id, Phase::unused);
  if (forget) {
    kv_.release_and_forget(s);
  } else {
    kv_.release(s);
  }
  if (s.deadline < kNoTime) deadlines_.erase({s.deadline, id});
  kv_.release_scope(s.scope);
  tenants_.release(s.tenant);
  if (blocked_ == id) blocked_ = -1;
  s.tokens = {};
  unused_slots_.push_back(id);
  --num_live_;
}

void Scheduler::pause(SeqId id) {
  MILLRACE_CHECK(at(id).phase == Phase::decode);
  enter(id, Phase::paused);
}

void Scheduler::resume(SeqId id) {
  const Phase phase = at(id).phase;
  if (phase == Phase::paused) enter(id, Phase::ready);
  if (phase == Phase::parked) enqueue(id, kPutBack);
}

std::vector<SeqId>* Scheduler::list_of(Phase phase) {
  switch (phase) {
    case Phase::decode:
      return &decoding_;
    case Phase::prefill:
      return &prefilling_;
    case Phase::paused:
      return &paused_;
    case Phase::ready:
      return &ready_;
    case Phase::parked:
      return &parked_;
    case Phase::waiting:
    case Phase::unused:
      return nullptr;
  }
  return nullptr;
}

void Scheduler::enter(SeqId id, Phase phase) {
  Sequence& s = at(id);
  if (s.phase == Phase::waiting) {
    queue_.erase(s.priority, s.wait_key);
    num_waiting_tokens_ -= s.num_tokens();
  }
  tenants_.count_running(s.tenant, is_running(phase) - is_running(s.phase));
  if (std::vector<SeqId>* list = list_of(s.phase)) {  // order does not matter: fill the gap
    const SeqId last = list->back();
    (*list)[slot(s.list_index)] = last;
    at(last).list_index = s.list_index;
    list->pop_back();
  }
  s.phase = phase;
  if (std::vector<SeqId>* list = list_of(phase)) {
    s.list_index = static_cast<std::int32_t>(list->size());
    list->push_back(id);
  }
}

void Scheduler::enqueue(SeqId id, double latest_start) {
  Sequence& s = at(id);
  enter(id, Phase::waiting);
  s.wait_key = {latest_start, s.wait_key.arrival_order, id, s.tenant};
  queue_.push(s.priority, s.wait_key);
  num_waiting_tokens_ += s.num_tokens();
}

void Scheduler::collect_expired(double now, std::vector<SeqId>& out) const {
  for (const auto& [deadline, id] : deadlines_) {
    if (deadline > now) return;
    out.push_back(id);
  }
}

SeqId Scheduler::pick_displaced() const {
  const WaitKey* key = queue_.back();
  return key == nullptr || sequence(key->sequence).first_scheduled >= 0 ? -1 : key->sequence;
}

const StepPlan& Scheduler::schedule(double now) {
  now_ = now;
  plan_.sequences.clear();
  plan_.load = {};
  num_prompt_logprob_rows_ = config_.max_prompt_logprob_rows;
  is_queue_blocked_ = false;
  rejoin_resumed();
  make_way();
  reserve_decode_blocks();
  plan_decodes();
  plan_prefills();
  return plan_;
}

void Scheduler::complete(std::size_t i, TokenId token) {
  const ScheduledSequence& entry = plan_.sequences[i];
  Sequence& s = at(entry.sequence);
  s.num_computed_tokens += static_cast<int>(entry.new_tokens.size());
  if ((s.num_registered_blocks + 1) * config_.block_tokens <= s.num_computed_tokens)
    kv_.register_full_blocks(s);
  if (token < 0) return;
  s.tokens.push_back(token);
  if (s.phase == Phase::prefill) enter(entry.sequence, Phase::decode);
}

void Scheduler::rejoin_resumed() {
  while (!ready_.empty() && num_running() < config_.max_num_seqs)
    enter(ready_.front(), Phase::decode);
}

// Who should start next. Earliest-due-first lets one late request make all after it late, so one
// that can no longer make its TTFT SLO stands back, once, as if it had only just come.
const WaitKey* Scheduler::front_of_queue() {
  for (;;) {
    const WaitKey* key = queue_.front(now_ + kUrgentHorizon);
    if (key == nullptr || key->latest_start >= now_) return key;
    const SeqId id = key->sequence;
    if (at(id).keeps_latest_start) return key;
    at(id).keeps_latest_start = true;
    enqueue(id, now_ + at(id).ttft_budget);
  }
}

// A request that outranks running ones does not wait for them, nor does a tenant below its share of
// the seats for one above it (what that costs the other is little: its prefix stays in the cache).
void Scheduler::make_way() {
  for (int i = 0; i < kMaxPutBack; ++i) {
    const WaitKey* key = queue_.front(now_ + kUrgentHorizon);
    if (key == nullptr) return;
    const Sequence& s = sequence(key->sequence);
    const int num_seats = config_.max_num_seqs - num_running();
    const bool has_seat = num_seats >= std::min(kMaxPutBack - i, queue_.num_first_in_line());
    if (has_seat && kv_.blocks_for(s.num_tokens()) <= pool().num_available()) return;
    SeqId victim = pick_victim(s.priority, has_seat);
    if (victim < 0 && config_.enable_prefix_caching &&
        num_seats < std::min(kMaxPutBack - i, queue_.num_first_in_line(s.tenant)))
      victim = pick_unfair(s);
    if (victim < 0) return;
    preempt(victim);
  }
}

// The latest arrival of a tenant that holds more than its share of the seats, for one that holds
// less.
SeqId Scheduler::pick_unfair(const Sequence& waiting) const {
  const int share = config_.max_num_seqs / std::max(tenants_.num_active(), 1);
  if (tenants_.num_running(waiting.tenant) >= share) return -1;
  SeqId victim = -1;
  for (const SeqId id : decoding_) {
    const Sequence& s = sequence(id);
    if (tenants_.num_running(s.tenant) > share + 1 && s.priority >= waiting.priority &&
        (victim < 0 || s.arrival > sequence(victim).arrival))
      victim = id;
  }
  return victim;
}

void Scheduler::reserve_decode_blocks() {
  if (pool().num_available() >= static_cast<int>(decoding_.size())) return;
  for (;;) {
    int num_needed = 0;
    for (const SeqId id : decoding_) num_needed += needs_block(sequence(id)) ? 1 : 0;
    if (num_needed <= pool().num_available()) return;
    const SeqId victim = pick_victim(kAnyPriority, true);
    MILLRACE_CHECK(victim >= 0);
    preempt(victim);
  }
}

void Scheduler::plan_decodes() {
  for (const SeqId id : decoding_) {
    Sequence& s = at(id);
    if (needs_block(s)) MILLRACE_CHECK(kv_.grow(s));
    plan_sequence(s, id, 1);
    tenants_.charge(s.tenant, kDecodeWeight);
  }
  plan_.num_decodes = static_cast<int>(plan_.sequences.size());
}

bool Scheduler::needs_block(const Sequence& s) const {
  return s.num_tokens() > static_cast<int>(s.blocks.size()) * config_.block_tokens;
}

void Scheduler::plan_sequence(Sequence& s, SeqId id, int num_tokens) {
  const auto start = static_cast<std::size_t>(s.num_computed_tokens);
  const auto count = static_cast<std::size_t>(num_tokens);
  plan_.sequences.push_back({.sequence = id,
                             .num_computed_tokens = s.num_computed_tokens,
                             .new_tokens = std::span<const TokenId>(s.tokens).subspan(start, count),
                             .blocks = s.blocks,
                             .samples = start + count == s.tokens.size()});
  plan_.load = with_chunk(plan_.load, s.num_computed_tokens, num_tokens);
}

// The lowest priority, of those the latest arrival, among priorities below (numerically above)
// `outranked_by`; paused ones first where their blocks are what is wanted.
SeqId Scheduler::pick_victim(std::int64_t outranked_by, bool paused_help) const {
  SeqId victim = -1;
  const auto rank = [&](SeqId id) {
    const Sequence& s = sequence(id);
    return std::tuple(s.priority, s.arrival, s.wait_key.arrival_order);
  };
  const auto consider = [&](const std::vector<SeqId>& list) {
    for (const SeqId id : list)
      if (sequence(id).priority > outranked_by && (victim < 0 || rank(id) > rank(victim)))
        victim = id;
  };
  if (paused_help) {
    consider(paused_);
    consider(ready_);
    if (victim >= 0) return victim;
  }
  consider(decoding_);
  consider(prefilling_);
  return victim;
}

void Scheduler::preempt(SeqId id) {
  Sequence& s = at(id);
  kv_.release(s);
  s.keeps_latest_start = true;
  ++num_preemptions_;
  if (s.phase == Phase::paused) {
    enter(id, Phase::parked);
  } else {
    enqueue(id, kPutBack);
  }
}

}  // namespace millrace::engine
