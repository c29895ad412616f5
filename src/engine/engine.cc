#include "engine/engine.h"

#include "engine/engine_loop.h"

namespace millrace::engine {

Engine::Engine(EngineConfig config, std::unique_ptr<StepRunner> runner, Metrics& metrics)
    : loop_(std::make_unique<Loop>(std::move(config), std::move(runner), metrics)) {}

Engine::~Engine() = default;

Status Engine::submit(GenerateRequest request, std::shared_ptr<TokenChannel> reply) {
  return loop_->submit(std::move(request), std::move(reply));
}

GeneratorStats Engine::stats() const {
  return loop_->stats();
}

const EngineConfig& Engine::config() const {
  return loop_->config();
}

}  // namespace millrace::engine
