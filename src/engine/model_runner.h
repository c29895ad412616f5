// ModelRunner: StepPlan → ForwardBatch → logits → sampled tokens, for a CausalModel on one Exec.
// All arrays are made at construction; a warm step allocates nothing unless log-probabilities are
// asked for.
#pragma once

#include <memory>

#include "engine/engine_config.h"
#include "engine/step_runner.h"
#include "kernels/ops.h"
#include "models/causal_model.h"
#include "tensor/compute_pool.h"
#include "tensor/exec.h"

namespace millrace::engine {

class ModelRunner final : public StepRunner {
 public:
  // Owns the model; borrows table and pool (shared with other engines: they take turns). Allocates
  // the KV memory config.num_blocks asks for and reserves the model's buffers.
  ModelRunner(std::unique_ptr<models::CausalModel> model, const kernels::Kernels& table,
              ComputePool& pool, Precision precision, kernels::KvKind kv_kind,
              const EngineConfig& config);
  ~ModelRunner() override;

  void begin(SeqId sequence, std::span<const TokenId> prompt,
             const SamplingParams& sampling) override;
  void end(SeqId sequence) override;
  Status launch(const StepPlan& plan) override;
  Status collect(StepOutput& output) override;

  const models::CausalModel& model() const;
  std::int64_t kv_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::engine
