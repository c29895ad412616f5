// A step made of its outputs and a function.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "serving/pipeline/step.h"

namespace millrace::serving {

template <class Run>
class FunctionStep final : public Step {
 public:
  FunctionStep(std::vector<StepOutput> outputs, Run run)
      : outputs_(std::move(outputs)), run_(std::move(run)) {}
  const std::vector<StepOutput>& outputs() const override { return outputs_; }
  Result<std::vector<Value>> run(std::span<const Value> inputs,
                                 const StepContext& context) const override {
    return run_(inputs, context);
  }

 private:
  const std::vector<StepOutput> outputs_;
  const Run run_;
};

// `run`: Result<std::vector<Value>>(std::span<const Value>, const StepContext&), thread-safe.
template <class Run>
std::unique_ptr<Step> make_step(std::vector<StepOutput> outputs, Run run) {
  return std::make_unique<FunctionStep<Run>>(std::move(outputs), std::move(run));
}

}  // namespace millrace::serving
