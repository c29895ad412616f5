// PipelineRun: one request on its way through a graph. A step starts as soon as its inputs are
// there: built-in ones on the workers, models through their batchers; no thread waits. A value goes
// when its last reader is done. The first error stops the rest, and is answered when nothing of the
// request runs any more.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/worker_pool.h"
#include "servable/tensor_model.h"
#include "serving/pipeline/pipeline_graph.h"

namespace millrace::serving {

// What all requests of a pipeline share.
struct PipelineShared {
  PipelineGraph graph;
  std::vector<HistogramRef> step_seconds;  // by step
  ModelFinder find;
  WorkerPool& workers;  // outlives every request
};

class PipelineRun : public std::enable_shared_from_this<PipelineRun> {
 public:
  // Starts and returns; as TensorModel::infer.
  static void start(std::shared_ptr<const PipelineShared> shared, TensorBatch batch,
                    TensorDone on_done);

  PipelineRun(std::shared_ptr<const PipelineShared> shared, TensorBatch batch, TensorDone on_done);

 private:
  struct Slot {
    Value value{};
    int num_readers = 0;  // steps that have not finished with it, and one for an output
  };
  using Outputs = Result<std::vector<Value>>;

  void begin(std::vector<InputTensor> inputs);
  // Runs a step that is ready, and, on this worker, what it makes ready.
  void run_from(int step);
  void launch(int step);  // wherever this is
  // The outputs, or nothing where they come later.
  std::optional<Outputs> run_step(int step);
  Outputs run_built_in(int step, const std::vector<Value>& inputs);
  void run_model(int step, std::vector<Value> inputs);
  Outputs skipped(const GraphStep& step);
  // Keeps the outputs; the steps that became ready, now counted as under way.
  std::vector<int> finished(int step, Outputs outputs);
  std::optional<Error> check_outputs(const GraphStep& step,
                                     const std::vector<Value>& outputs) const;
  void keep(const GraphStep& step, std::vector<Value> outputs, std::vector<int>& ready);
  void release(ValueId id, std::vector<Value>& gone);
  std::optional<Error> reason_to_stop() const;
  std::vector<Value> inputs_of(const GraphStep& step);
  std::int64_t bytes_left();
  void leave_if_last();
  void end();

  const GraphStep& step_of(int step) const {
    return shared_->graph.steps[static_cast<std::size_t>(step)];
  }

  const std::shared_ptr<const PipelineShared> shared_;
  const int priority_;
  const TimePoint deadline_;
  const TraceHandle trace_;
  const TimePoint started_ = Clock::now();
  TensorDone on_done_;
  std::stop_source stop_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;

  std::mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<int> num_missing_;  // by step: values that are not there yet
  std::vector<TimePoint> step_started_;
  std::int64_t bytes_ = 0;  // of all values that are kept
  int num_under_way_ = 1;   // steps; one for begin()
  std::optional<Error> error_;
};

}  // namespace millrace::serving
