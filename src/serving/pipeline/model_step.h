// A model as a step: found and fitted when the pipeline is loaded, called for each request through
// the model's own batcher, so that requests of all pipelines and clients are merged there.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/trace.h"
#include "base/worker_pool.h"
#include "serving/pipeline/pipeline_graph.h"

namespace millrace::serving {

// The model as it is now. Errors: invalid_argument (no such model, no tensors, another version),
// unavailable with kWaitsForModel or kNeedsModel.
Result<GraphModel> model_for_step(const FileStep& step, const std::string& where,
                                  const ModelFinder& find);

// Which of the step's inputs goes to which of the model's, in the model's order; sets row_by_row
// where the model takes one row and the value may have any number.
Result<std::vector<std::size_t>> connect_model(const FileStep& step,
                                               const std::vector<ValueType>& types,
                                               const std::string& where, GraphModel& model);

std::vector<StepOutput> model_outputs(const GraphModel& model);

struct ModelCall {
  std::vector<Value> inputs{};  // in the model's order
  int priority = 0;
  TimePoint deadline = kNever;
  std::stop_token stop{};
  TraceHandle trace{};
  std::int64_t max_bytes = 0;
};
using ModelDone = std::function<void(Result<std::vector<Value>>)>;

// Starts it and returns. More rows than the model merges go in several requests, a few at a time,
// and come back as one value; no rows give no rows without asking the model. `done` is called once,
// on a worker or before this returns. `model`, `find` and `workers` are borrowed until then.
void call_model(const GraphModel& model, const ModelFinder& find, WorkerPool& workers,
                ModelCall call, ModelDone done);

}  // namespace millrace::serving
