// Batcher: the waiting room of one graph model. Bounded, ordered by priority, then arrival; merges
// what may be merged, runs what may run, ends what is cancelled or late. Merging is decided on the
// batcher's own thread; a request that finds the device free and has nothing to wait for starts
// where it is.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "servable/description.h"
#include "serving/batch_policy.h"
#include "serving/company_policy.h"
#include "serving/graph_settings.h"
#include "serving/tensor_stats.h"

namespace millrace::serving {

// The outputs of one request, in the model's order; valid while `owner` lives.
struct TensorAnswer {
  std::vector<OutputTensor> outputs{};
  std::shared_ptr<const void> owner{};
  TensorTimes times{};
  std::size_t num_requests = 1;  // that the same execution answers
};
// Called exactly once, on a thread of the runtime, of the batcher, or the submitting one. Must only
// post work.
using TensorReply = std::move_only_function<void(Result<TensorAnswer>)>;

using HeldRequest = std::uint64_t;  // of one batcher

struct BatchRequest {
  std::vector<InputTensor> inputs{};  // checked, in the model's order
  std::shared_ptr<const void> owner{};
  std::int64_t num_rows = 1;
  bool alone = false;  // never merged
  int priority = 0;    // lower is sooner
  TimePoint arrival = Clock::now();
  TimePoint deadline = kNever;   // waiting longer than this ends it
  TimePoint demote_at = kNever;  // waiting longer than this puts it behind all others
  std::stop_token stop{};
  TraceHandle trace{};
  TensorReply reply{};
};

inline constexpr int kDefaultMaxQueued = 256;  // requests to one graph model

struct BatcherOptions {
  BatchLimits limits{};
  BatchSettings settings{.queue = {.max_size = kDefaultMaxQueued}};
};

class Batcher {
 public:
  // Borrows all; they outlive the batcher.
  Batcher(TensorModel& model, const ModelDescription& description, TensorStats& stats,
          BatcherOptions options);
  // Refuses what waits (unavailable), waits for what runs.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // Errors come through the reply: unavailable ("overloaded") when the room is full,
  // deadline_exceeded, cancelled, or what the model says. Thread-safe, never blocks.
  void submit(BatchRequest request);
  // For a request that may not run yet, whatever the device does. It waits here as others do: it
  // counts, takes its place, may be late or cancelled; then its reply is called with the error. An
  // error of hold() itself means that the reply is not called.
  Result<HeldRequest> hold(BatchRequest request);
  // From now on as if it had been submitted when it was held. `complete` may change all of it, and
  // is called once, without the lock. False where it is gone: its reply was called, or will be.
  bool release(HeldRequest held, const std::function<void(BatchRequest&)>& complete);
  // Ends one that is held with this error; nothing where it is gone.
  void withdraw(HeldRequest held, Error error);
  std::size_t num_queued() const;  // those that are held included
  // A request of so many input bytes is expected to be answered within submit(), in microseconds.
  bool is_instant(std::size_t input_bytes) const { return model_.is_instant(input_bytes); }

 private:
  struct Item;
  using Items = std::vector<std::unique_ptr<Item>>;
  // Items are destroyed outside the lock: a stop that is under way may be waiting for it.
  using Queue = std::map<std::pair<int, std::uint64_t>, std::unique_ptr<Item>>;

  // What may start now.
  enum class Turn { none, whole, beside };

  void run();
  std::unique_ptr<Item> make_item(BatchRequest request) const;
  void watch_stop(Item& item);
  // Unlocks.
  void start_or_queue(std::unique_ptr<Item> item, bool is_instant, TimePoint now,
                      std::unique_lock<std::mutex> lock);
  std::unique_ptr<Item> take_held(HeldRequest held);
  Turn turn(const Waiting& waiting, bool alone) const;  // mutex_ held
  bool take_departed(TimePoint now, Items& out);        // mutex_ held; cancelled or late
  Waiting waiting() const;                              // mutex_ held; queue not empty
  Items take_batch(Turn turn);                          // mutex_ held; queue not empty
  TimePoint next_change() const;                        // mutex_ held; a deadline, or a demotion
  void demote_late(TimePoint now);                      // mutex_ held
  template <class Waiters>
  static void take_departed_of(Waiters& waiters, TimePoint now, Items& out);  // mutex_ held
  // Whether the batcher's thread would sleep past something: an execution that could start, one
  // that was cancelled, or what happens at `due`. mutex_ held.
  bool sleeps_past(TimePoint due) const;
  bool is_full(int priority) const;  // mutex_ held
  static TensorBatch lone_batch(BatchRequest& request);
  static TensorBatch merged_batch(const Items& items);
  // The running one is counted already.
  void start(Items items, Turn turn, TimePoint now);
  struct Started;
  void finished(Items items, const Started& started, Result<TensorResult> result);
  // mutex_ held
  void learn(const Started& started, TimePoint now, std::int64_t rows);
  void answer(Items items, std::int64_t rows, TimePoint started, TimePoint now,
              TensorResult result);
  void refuse(std::unique_ptr<Item> item, Error error);
  void turn_away(Items departed);
  TensorLoad load() const;

  TensorModel& model_;
  const ModelDescription& description_;
  TensorStats& stats_;
  const BatcherOptions options_;
  const int max_running_;  // each on all threads
  const int max_beside_;   // on a share of them; 0: never
  const int num_cores_;    // for all executions
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  Queue queue_;
  std::map<HeldRequest, std::unique_ptr<Item>> held_;  // by serial
  BatchPolicy policy_;
  CompanyPolicy company_;
  std::uint64_t next_serial_ = 0;
  int num_running_ = 0;     // executions that the device has
  int num_unanswered_ = 0;  // batches whose replies are not all out
  std::size_t num_requests_running_ = 0;
  TimePoint sleeps_until_ = TimePoint::min();  // the batcher's thread; min: it is awake, and looks
  bool look_for_stopped_ = false;
  bool closing_ = false;
  std::thread thread_;
  MetricSourceHandle shown_load_;  // goes first
};

}  // namespace millrace::serving
