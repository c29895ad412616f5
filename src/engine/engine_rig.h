// For tests: an engine over a simulated device, and readers.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/scheduler_harness.h"
#include "engine/sim_runner.h"

namespace millrace::engine {

using namespace std::chrono_literals;

// An engine over a simulated device with 0.2 ms steps.
struct Served {
  explicit Served(EngineConfig c = fast_config(), SimConfig s = fast_sim()) : config(c), sim(s) {
    config.complete();
    auto runner = std::make_unique<SimRunner>(sim, config);
    reference = runner.get();
    engine = std::make_unique<Engine>(config, std::move(runner), metrics);
  }
  static EngineConfig fast_config() {
    EngineConfig config = small_config();
    config.num_blocks = 400;
    config.max_num_queued = 2000;
    return config;
  }
  static SimConfig fast_sim() {
    SimConfig sim;
    sim.cost.step_seconds = 0.0002;
    for (TokenId token = 1; token < 900; ++token) sim.alphabet.push_back(token);
    sim.poison_token = 998;
    sim.crash_token = 999;
    return sim;
  }

  EngineConfig config;
  SimConfig sim;
  Metrics metrics;
  SimRunner* reference;
  std::unique_ptr<Engine> engine;
};

inline GenerateRequest request_of(std::vector<TokenId> prompt, int max_tokens) {
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.sampling.max_tokens = max_tokens;
  request.sampling.seed = 0;
  request.arrival = Clock::now();
  return request;
}

inline std::shared_ptr<TokenChannel> channel(std::size_t capacity = 1024) {
  return std::make_shared<TokenChannel>(capacity);
}

// Everything until the channel's end.
inline std::vector<TokenEvent> read_all(TokenChannel& reply,
                                        std::chrono::milliseconds patience = 10s) {
  std::vector<TokenEvent> events;
  while (auto event = reply.pop_for(patience)) events.push_back(std::move(*event));
  return events;
}

inline std::vector<TokenId> tokens_of(const std::vector<TokenEvent>& events) {
  std::vector<TokenId> tokens;
  for (const TokenEvent& e : events)
    if (e.token >= 0) tokens.push_back(e.token);
  return tokens;
}

inline std::vector<TokenId> expected_tokens(const SimRunner& sim, std::vector<TokenId> tokens,
                                            int count, std::uint64_t seed = 0) {
  std::vector<TokenId> out;
  for (int i = 0; i < count; ++i) {
    out.push_back(sim.next_token(tokens, seed));
    tokens.push_back(out.back());
  }
  return out;
}

// Waits until nothing is live; false after two seconds.
inline bool becomes_idle(const Engine& engine) {
  for (int i = 0; i < 2000; ++i) {
    const GeneratorStats s = engine.stats();
    if (s.num_running == 0 && s.num_waiting == 0 &&
        s.num_free_blocks + s.num_cached_blocks == s.num_blocks)
      return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

inline double violations(Served& served) {
  return served.metrics
      .counter("millrace_engine_integrity_violations_total",
               "Idle checks that found blocks or requests miscounted.", {{"model_name", "test"}})
      .value();
}

}  // namespace millrace::engine
