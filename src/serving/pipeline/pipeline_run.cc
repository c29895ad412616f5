#include "serving/pipeline/pipeline_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "serving/pipeline/model_step.h"
#include "serving/pipeline/values.h"

namespace millrace::serving {
namespace {

Value value_of_input(const InputTensor& input, DType dtype,
                     const std::shared_ptr<const void>& owner) {
  if (input.parts.size() == 1) {
    return {.dtype = dtype, .shape = input.shape, .data = input.parts[0], .owner = owner};
  }
  std::string joined;
  for (const auto part : input.parts) {
    joined.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return value_of(dtype, input.shape, std::move(joined));
}

std::int64_t size_of(const Value& value) {
  return static_cast<std::int64_t>(value.data.size());
}

Error in_step(const GraphStep& step, Error error) {
  error.message = fmt::format("step '{}': {}", step.name, error.message);
  return error;
}

}  // namespace

void PipelineRun::start(std::shared_ptr<const PipelineShared> shared, TensorBatch batch,
                        TensorDone on_done) {
  auto inputs = std::move(batch.inputs);
  auto run = std::make_shared<PipelineRun>(std::move(shared), std::move(batch), std::move(on_done));
  run->begin(std::move(inputs));
}

PipelineRun::PipelineRun(std::shared_ptr<const PipelineShared> shared, TensorBatch batch,
                         TensorDone on_done)
    : shared_(std::move(shared)),
      priority_(batch.priority),
      deadline_(batch.deadline),
      trace_(batch.trace.inside()),
      on_done_(std::move(on_done)),
      slots_(shared_->graph.values.size()),
      num_missing_(shared_->graph.steps.size()),
      step_started_(shared_->graph.steps.size()) {
  slots_[0].value.owner = std::move(batch.owner);  // until begin()
  on_stop_.emplace(std::move(batch.stop), [stop = stop_]() mutable { stop.request_stop(); });
}

void PipelineRun::begin(std::vector<InputTensor> inputs) {
  const PipelineGraph& graph = shared_->graph;
  const std::shared_ptr<const void> owner = std::move(slots_[0].value.owner);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const GraphValue& value = graph.values[i];
    slots_[i].num_readers = static_cast<int>(value.readers.size()) + (value.is_output ? 1 : 0);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    slots_[i].value = value_of_input(inputs[i], graph.inputs[i].dtype, owner);
    bytes_ += size_of(slots_[i].value);
  }
  const auto num_inputs = static_cast<ValueId>(inputs.size());
  std::vector<int> ready;
  for (std::size_t i = 0; i < graph.steps.size(); ++i) {
    num_missing_[i] = static_cast<int>(std::ranges::count_if(
        graph.steps[i].waits_for, [&](ValueId id) { return id >= num_inputs; }));
    if (num_missing_[i] == 0) ready.push_back(static_cast<int>(i));
  }
  {
    std::lock_guard lock(mutex_);
    num_under_way_ += static_cast<int>(ready.size());
  }
  for (const int step : ready) launch(step);
  leave_if_last();
}

void PipelineRun::launch(int step) {
  shared_->workers.post([self = shared_from_this(), step] { self->run_from(step); });
}

void PipelineRun::run_from(int step) {
  for (;;) {
    auto outputs = run_step(step);
    if (!outputs) return;  // a model has it
    const std::vector<int> ready = finished(step, *std::move(outputs));
    if (ready.empty()) return;
    for (std::size_t i = 1; i < ready.size(); ++i) launch(ready[i]);
    step = ready.front();
  }
}

std::optional<Error> PipelineRun::reason_to_stop() const {
  if (stop_.stop_requested()) {
    return Error{.kind = ErrorKind::cancelled, .message = "the request was cancelled"};
  }
  if (deadline_ <= Clock::now()) {
    return Error{.kind = ErrorKind::deadline_exceeded,
                 .message = "the request's time was over before the step began"};
  }
  return std::nullopt;
}

std::vector<Value> PipelineRun::inputs_of(const GraphStep& step) {
  std::vector<Value> inputs;
  std::lock_guard lock(mutex_);
  for (const ValueId id : step.inputs) {
    inputs.push_back(id == kNoValue ? Value() : slots_[static_cast<std::size_t>(id)].value);
  }
  return inputs;
}

std::int64_t PipelineRun::bytes_left() {
  std::lock_guard lock(mutex_);
  return std::max<std::int64_t>(0, shared_->graph.max_request_bytes - bytes_);
}

std::optional<PipelineRun::Outputs> PipelineRun::run_step(int index) {
  const GraphStep& step = step_of(index);
  step_started_[static_cast<std::size_t>(index)] = Clock::now();
  if (auto reason = reason_to_stop()) return std::unexpected(in_step(step, *std::move(reason)));
  if (step.when) {
    Value compared;
    {
      std::lock_guard lock(mutex_);
      compared = slots_[static_cast<std::size_t>(step.when_value)].value;
    }
    auto holds = step.when->holds(compared);
    if (!holds) return std::unexpected(in_step(step, std::move(holds.error())));
    if (!*holds) return skipped(step);
  }
  std::vector<Value> inputs = inputs_of(step);
  if (!step.model) return run_built_in(index, inputs);
  run_model(index, std::move(inputs));
  return std::nullopt;
}

PipelineRun::Outputs PipelineRun::run_built_in(int index, const std::vector<Value>& inputs) {
  const GraphStep& step = step_of(index);
  const StepContext context{
      .stop = stop_.get_token(), .deadline = deadline_, .max_bytes = bytes_left()};
  auto outputs = step.step->run(inputs, context);
  const TimePoint began = step_started_[static_cast<std::size_t>(index)];
  trace_.span(step.name, began, Clock::now());
  if (!outputs) return std::unexpected(in_step(step, std::move(outputs.error())));
  return outputs;
}

void PipelineRun::run_model(int index, std::vector<Value> inputs) {
  const GraphStep& step = step_of(index);
  const std::int64_t rows = inputs.empty() ? 0 : num_rows(inputs.front());
  const TimePoint began = step_started_[static_cast<std::size_t>(index)];
  ModelCall call{.inputs = std::move(inputs),
                 .priority = priority_,
                 .deadline = deadline_,
                 .stop = stop_.get_token(),
                 .trace = trace_.inside(),
                 .max_bytes = bytes_left()};
  const auto done = [self = shared_from_this(), index, rows, began](Outputs outputs) {
    const GraphStep& ran = self->step_of(index);
    self->trace_.span(ran.name, began, Clock::now(), {{"rows", rows}});
    if (!outputs) outputs = std::unexpected(in_step(ran, std::move(outputs.error())));
    for (const int next : self->finished(index, std::move(outputs))) self->launch(next);
  };
  call_model(*step.model, shared_->find, shared_->workers, std::move(call), done);
}

// The step's place is taken by other values, or by none.
PipelineRun::Outputs PipelineRun::skipped(const GraphStep& step) {
  std::vector<Value> outputs;
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < step.otherwise.size(); ++i) {
    const ValueId other = step.otherwise[i];
    const auto id = static_cast<std::size_t>(step.first_output) + i;
    outputs.push_back(other == kNoValue ? empty_value(shared_->graph.values[id].type)
                                        : slots_[static_cast<std::size_t>(other)].value);
  }
  return outputs;
}

std::optional<Error> PipelineRun::check_outputs(const GraphStep& step,
                                                const std::vector<Value>& outputs) const {
  const auto wrong = [&](const std::string& what) {
    log_error("pipeline step {}: {}", step.name, what);
    return in_step(step, {.kind = ErrorKind::internal, .message = what});
  };
  if (outputs.size() != static_cast<std::size_t>(step.num_outputs)) {
    return wrong(fmt::format("{} outputs instead of {}", outputs.size(), step.num_outputs));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Value& value = outputs[i];
    const auto bytes = bytes_of(value.dtype, value.shape);
    const bool sized = value.dtype == DType::bytes
                           ? num_strings(value) == value.shape.num_elements()
                           : bytes && *bytes == size_of(value);
    const GraphValue& expected =
        shared_->graph.values[static_cast<std::size_t>(step.first_output) + i];
    if (!sized || value.dtype != expected.type.dtype) {
      return wrong(fmt::format("output {} is not what it should be", expected.name));
    }
  }
  return std::nullopt;
}

void PipelineRun::release(ValueId id, std::vector<Value>& gone) {
  Slot& slot = slots_[static_cast<std::size_t>(id)];
  if (--slot.num_readers > 0) return;
  bytes_ -= size_of(slot.value);
  gone.push_back(std::exchange(slot.value, {}));
}

void PipelineRun::keep(const GraphStep& step, std::vector<Value> outputs, std::vector<int>& ready) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto id = static_cast<std::size_t>(step.first_output) + i;
    if (slots_[id].num_readers == 0) continue;  // nobody wants it
    bytes_ += size_of(outputs[i]);
    slots_[id].value = std::move(outputs[i]);
    for (const int reader : shared_->graph.values[id].readers) {
      if (--num_missing_[static_cast<std::size_t>(reader)] == 0) ready.push_back(reader);
    }
  }
}

std::vector<int> PipelineRun::finished(int index, Outputs outputs) {
  const GraphStep& step = step_of(index);
  const double seconds =
      seconds_between(step_started_[static_cast<std::size_t>(index)], Clock::now());
  shared_->step_seconds[static_cast<std::size_t>(index)].observe(seconds);
  std::optional<Error> failure;
  if (!outputs) failure = std::move(outputs.error());
  if (!failure) failure = check_outputs(step, *outputs);
  std::vector<int> ready;
  std::vector<Value> gone;  // freed outside the lock
  bool stops = false;
  {
    std::lock_guard lock(mutex_);
    if (!failure && !error_) {
      keep(step, *std::move(outputs), ready);
      for (const ValueId id : step.waits_for) release(id, gone);
      if (bytes_ > shared_->graph.max_request_bytes) {
        failure = in_step(
            step, {.kind = ErrorKind::too_large,
                   .message = fmt::format("the request's values take more than the {} bytes of "
                                          "max_request_memory",
                                          shared_->graph.max_request_bytes)});
      }
    }
    if (failure && !error_) {
      error_ = std::move(failure);
      stops = true;
    }
    if (error_) ready.clear();
    num_under_way_ += static_cast<int>(ready.size());
  }
  if (stops) stop_.request_stop();
  leave_if_last();
  return ready;
}

void PipelineRun::leave_if_last() {
  {
    std::lock_guard lock(mutex_);
    if (--num_under_way_ > 0) return;
  }
  end();
}

void PipelineRun::end() {
  on_stop_.reset();
  std::vector<Slot> slots = std::move(slots_);
  TensorDone on_done = std::move(on_done_);
  if (error_) {
    slots.clear();
    return on_done(std::unexpected(*std::move(error_)));
  }
  TensorResult result;
  const auto values = std::make_shared<std::vector<Value>>();
  for (const ValueId id : shared_->graph.output_values) {
    const Value& value = values->emplace_back(slots[static_cast<std::size_t>(id)].value);
    result.outputs.push_back({.shape = value.shape, .data = value.data});
  }
  slots.clear();
  result.owner = values;
  result.infer_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - started_).count();
  on_done(std::move(result));
}

}  // namespace millrace::serving
