// Engine::Loop: the thread, its inbox and the step. Everything below the inbox belongs to the
// thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/engine_metrics.h"
#include "engine/forecaster.h"
#include "engine/live_request.h"
#include "engine/scheduler.h"

namespace millrace::engine {

class Engine::Loop {
 public:
  Loop(EngineConfig config, std::unique_ptr<StepRunner> runner, Metrics& metrics);
  ~Loop();

  Status submit(GenerateRequest request, std::shared_ptr<TokenChannel> reply);
  GeneratorStats stats() const;
  const EngineConfig& config() const { return config_; }

 private:
  void run();
  void step();  // depth 1: one step at a time; README.md says what depth 2 changes

  // step(), in this order
  void drain_inbox();
  void drop_departed();
  Status launch(const StepPlan& plan);
  Status collect();
  void finish(const StepPlan& plan, const Status& outcome);
  void wait_for_work();

  double now() const { return seconds_between(epoch_, Clock::now()); }
  double on_clock(TimePoint time) const;
  void enqueue(std::unique_ptr<LiveRequest> arrival);
  void displace_surplus();
  void drop_cancelled();
  void drop_expired();
  void serve_slow_readers();
  void start(SeqId id);
  void accept_token(SeqId id, SampledToken& sampled);
  void fail(SeqId id, Error error, bool forget = false);
  void cancel(SeqId id);
  // Takes the request out of scheduler, runner and queue counts.
  std::unique_ptr<LiveRequest> detach(SeqId id, bool forget);
  void deliver_last(std::unique_ptr<LiveRequest> request, TokenEvent event);
  void observe_step(const StepPlan& plan, double seconds);
  void publish();
  void check_when_idle();
  void end_all();
  LiveRequest* live(SeqId id) { return live_[static_cast<std::size_t>(id)].get(); }

  EngineConfig config_;
  const TimePoint epoch_ = Clock::now();
  EngineMetrics metrics_;
  Admission admission_;

  mutable std::mutex mutex_;  // guards inbox_ and stopping_
  std::condition_variable wake_;
  std::vector<std::unique_ptr<LiveRequest>> inbox_;
  bool stopping_ = false;

  // The engine thread's own.
  std::unique_ptr<StepRunner> runner_;
  Scheduler scheduler_;
  Forecaster forecaster_;
  StepOutput output_;
  std::vector<std::unique_ptr<LiveRequest>> live_;       // by SeqId
  std::vector<SeqId> held_;                              // paused: their reader is slow
  std::vector<std::unique_ptr<LiveRequest>> lingering_;  // ended, last events not yet taken
  std::vector<std::unique_ptr<LiveRequest>> arrivals_;
  std::vector<SeqId> suspects_;  // scratch
  std::size_t sweep_ = 0;        // where the look for cancelled waiting requests goes on
  int num_unstarted_ = 0;
  int num_started_in_step_ = 0;
  bool queue_was_empty_ = true;
  double step_began_ = 0;
  bool checked_ = true;  // nothing has happened since the last integrity check
  std::uint64_t reported_preemptions_ = 0, reported_queries_ = 0, reported_hits_ = 0;

  // Published for stats().
  std::atomic<int> num_running_{0}, num_put_back_{0}, num_free_{0}, num_cached_{0};
  std::atomic<std::uint64_t> num_steps_{0};
  std::atomic<double> last_progress_{0};
  std::atomic<bool> idle_{true};

  std::thread thread_;  // last: everything above exists when it starts
};

}  // namespace millrace::engine
