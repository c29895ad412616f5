// Scheduler: who runs in the next step, how many tokens, which blocks. Pure arithmetic: no tensor,
// clock, thread or device; times are seconds on the caller's clock. Policies: engine/README.md.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/cost_model.h"
#include "engine/engine_config.h"
#include "engine/kv_index.h"
#include "engine/sequence.h"
#include "engine/tenants.h"
#include "engine/wait_queue.h"

namespace millrace::engine {

class Scheduler {
 public:
  // `config` must be complete() and outlive this.
  Scheduler(const EngineConfig& config, HashKey key);

  SeqId add(NewSequence sequence);
  // Ends a sequence in any phase: its blocks are back when this returns. With `forget`, what it
  // computed is not reused (its numbers went wrong).
  void remove(SeqId id, bool forget = false);
  // A decoding sequence whose reader is slow leaves the batch; resume() lets it come back.
  void pause(SeqId id);
  void resume(SeqId id);

  // The next step; empty when nothing can run. Spans in it are valid until the next call that
  // changes anything but complete() of a later entry.
  const StepPlan& schedule(double now);
  // Entry `i` of the plan has been computed; `token` was sampled, -1 when the entry does not
  // sample. Once for each entry whose sequence was not removed.
  void complete(std::size_t i, TokenId token);

  // Live sequences whose deadline is not after `now`, earliest first.
  void collect_expired(double now, std::vector<SeqId>& out) const;
  // The waiting sequence to refuse when too many wait: never one that has been scheduled; -1: none.
  SeqId pick_displaced() const;

  const Sequence& sequence(SeqId id) const { return sequences_[slot(id)]; }
  int max_slots() const { return static_cast<int>(sequences_.size()); }
  const StepPlan& plan() const { return plan_; }
  CostModel& cost_model() { return cost_model_; }
  const BlockPool& pool() const { return kv_.pool(); }
  int num_running() const { return static_cast<int>(decoding_.size() + prefilling_.size()); }
  int num_waiting() const { return queue_.size(); }
  int num_paused() const {
    return static_cast<int>(paused_.size() + ready_.size() + parked_.size());
  }
  int num_live() const { return num_live_; }
  std::span<const SeqId> prefilling() const { return prefilling_; }
  // Prompt tokens that running sequences still have to compute.
  std::int64_t num_prefill_tokens_left() const;
  std::uint64_t num_preemptions() const { return num_preemptions_; }
  std::uint64_t num_prefix_queries() const { return num_prefix_queries_; }  // tokens
  std::uint64_t num_prefix_hits() const { return num_prefix_hits_; }

  // Recounts all state; empty when sound. O(blocks + sequences).
  std::string check_integrity() const;

 private:
  static std::size_t slot(SeqId id) { return static_cast<std::size_t>(id); }
  Sequence& at(SeqId id) { return sequences_[slot(id)]; }
  std::vector<SeqId>* list_of(Phase phase);
  void enter(SeqId id, Phase phase);  // leaves the list or queue of its phase, enters another's
  void enqueue(SeqId id, double latest_start);

  // schedule(), in this order
  void rejoin_resumed();
  void make_way();
  void reserve_decode_blocks();
  void plan_decodes();
  void plan_prefills();

  struct Limit {
    double seconds = kNoTime;
    bool is_slo = false;  // a stream's TPOT SLO, not our own courtesy
  };
  Limit step_limit() const;
  double backlog_seconds() const;
  void plan_sequence(Sequence& sequence, SeqId id, int num_tokens);
  bool needs_block(const Sequence& sequence) const;
  const WaitKey* front_of_queue();
  SeqId next_prefill(std::size_t* next_running);
  int chunk_for(const Sequence& sequence, double seconds, bool others_wait) const;
  bool precedes(SeqId a, SeqId b) const;
  bool queue_may_start() const;
  bool still_blocked(SeqId id);
  bool too_many_partial(SeqId id) const;
  bool admit(SeqId id);
  bool reclaim_from_paused();
  SeqId pick_victim(std::int64_t outranked_by, bool paused_help) const;
  SeqId pick_unfair(const Sequence& waiting) const;
  void preempt(SeqId id);

  const EngineConfig& config_;
  std::vector<Sequence> sequences_;
  std::vector<SeqId> unused_slots_;
  std::vector<SeqId> decoding_, prefilling_, paused_, ready_, parked_;
  Tenants tenants_;
  WaitQueue queue_;
  KvIndex kv_;
  CostModel cost_model_;
  std::set<std::pair<double, SeqId>> deadlines_;

  StepPlan plan_;
  std::vector<SeqId> prefill_order_;
  double now_ = 0;
  int num_prompt_logprob_rows_ = 0;  // left in this step
  int num_steps_without_prefill_ = 0;
  bool is_queue_blocked_ = false;  // its front cannot start in this step
  SeqId blocked_ = -1;             // did not fit at the last try, short of blocked_until_ blocks
  int blocked_until_ = 0;
  int num_blocked_steps_ = 0;

  std::int64_t num_waiting_tokens_ = 0;
  std::int64_t next_arrival_order_ = 0;
  int num_live_ = 0;
  std::uint64_t num_preemptions_ = 0, num_prefix_queries_ = 0, num_prefix_hits_ = 0;
};

}  // namespace millrace::engine
