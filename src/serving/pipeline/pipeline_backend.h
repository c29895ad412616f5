// The backend "pipeline": a folder with a pipeline.toml. To everybody else its models are graph
// models like others; they ask the store's other models while they run.
#pragma once

#include <memory>

#include "base/worker_pool.h"
#include "servable/servable.h"
#include "serving/model_store.h"

namespace millrace::serving {

class PipelineBackend final : public Backend {
 public:
  static constexpr const char* kFileName = "pipeline.toml";

  // Before the first load. Both outlive every pipeline.
  void connect(const ModelStore& store, WorkerPool& workers) {
    store_ = &store;
    workers_ = &workers;
  }

  const char* name() const override { return "pipeline"; }
  bool recognises(const ModelSpec& spec) const override;
  bool uses_kv_cache() const override { return false; }
  // Errors with kWaitsForModel or kNeedsModel may be over when another model has been loaded.
  Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, LoadContext& context) override;

 private:
  const ModelStore* store_ = nullptr;
  WorkerPool* workers_ = nullptr;
};

}  // namespace millrace::serving
