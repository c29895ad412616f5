// Engine: the LLM loop behind `Generator`. One thread owns scheduler, sequences and runner; callers
// reach it through the inbox and hear from it through their own channels. See engine/README.md.
#pragma once

#include <memory>

#include "base/metrics.h"
#include "engine/engine_config.h"
#include "engine/step_runner.h"
#include "servable/servable.h"

namespace millrace::engine {

class Engine final : public Generator {
 public:
  // Starts the thread. The runner's KV memory must hold config.num_blocks blocks of
  // config.block_tokens tokens (kv_memory.h counts them). `metrics` must outlive this.
  Engine(EngineConfig config, std::unique_ptr<StepRunner> runner, Metrics& metrics);
  // Ends every request with `unavailable`, then joins the thread.
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  Status submit(GenerateRequest request, std::shared_ptr<TokenChannel> reply) override;
  GeneratorStats stats() const override;
  const EngineConfig& config() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace millrace::engine
