// SequenceRoom: the sequences of one stateful model. Keeps each one's state tensors between its
// requests, feeds them back, runs the requests of one sequence one at a time and in order; requests
// of different sequences meet in the model's batcher. Bounded; forgets a sequence that is idle for
// too long. Thread-safe, never blocks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "base/worker_pool.h"
#include "serving/batcher.h"
#include "serving/graph_settings.h"
#include "serving/sequence_plan.h"
#include "serving/sequence_step.h"

namespace millrace::serving {

class SequenceRoom {
 public:
  // Borrows the batcher, which outlives the room.
  SequenceRoom(SequencePlan plan, const SequenceSettings& settings, Batcher& batcher,
               Metrics& metrics, const std::string& model_name, const std::string& version);
  ~SequenceRoom();  // no request is in it: each holds the model
  SequenceRoom(const SequenceRoom&) = delete;
  SequenceRoom& operator=(const SequenceRoom&) = delete;

  // `request.inputs` are the clients', in their order, one row. An error means that `request.reply`
  // is not called: invalid_argument ("sequence_id") where the sequence did not begin or is over,
  // unavailable where there are too many. One that waits behind others of its sequence waits in the
  // batcher: it counts there, and may be late or cancelled; the state is then as if it had not been
  // sent. State is stored on a worker before the reply is called.
  Status submit(const SequenceStep& step, BatchRequest& request, WorkerPool& workers);
  std::size_t num_sequences() const;

 private:
  struct Step;
  struct Sequence;
  using StepHandle = std::shared_ptr<Step>;
  using SequenceHandle = std::shared_ptr<Sequence>;
  using Sequences = std::map<SequenceId, SequenceHandle>;

  Status may_enter(const SequenceStep& step) const;  // mutex_ held
  // Turns the client's request into the graph's: the sequence runs nothing else.
  void prepare(const SequenceHandle& sequence, const StepHandle& step, BatchRequest& request);
  void run_next(const SequenceHandle& sequence, const SequenceId& id);
  void departed(const SequenceHandle& sequence, const StepHandle& step, Error error);
  void refuse(const std::vector<StepHandle>& steps);
  void finished(const SequenceHandle& sequence, const StepHandle& step,
                Result<TensorAnswer> answer);
  BatchRequest assemble(Sequence& sequence, const SequenceStep& step, BatchRequest request) const;
  Status keep_states(Sequence& sequence, const TensorAnswer& answer) const;
  TensorAnswer for_client(TensorAnswer answer) const;
  void forget_idle();  // the thread

  const SequencePlan plan_;
  const SequenceSettings settings_;
  Batcher& batcher_;
  GaugeRef num_alive_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Sequences sequences_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace millrace::serving
