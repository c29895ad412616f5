#include "engine/engine_metrics.h"

#include <gtest/gtest.h>

namespace millrace::engine {
namespace {

TEST(EngineMetrics, OneUpdateMovesBothSeries) {
  Metrics metrics;
  EngineConfig config;
  config.model_name = "m";
  const EngineMetrics engine(metrics, config);
  engine.prompt_tokens.add(5);
  engine.running.set(3);
  engine.ttft.observe(0.03);
  engine.count_finished(FinishReason::stop);
  engine.count_finished(FinishReason::error);
  const std::string text = metrics.expose();
  for (const char* line :
       {"millrace_prompt_tokens_total{model_name=\"m\"} 5",
        "vllm:prompt_tokens_total{engine=\"0\",model_name=\"m\"} 5",
        "millrace_requests_running{model_name=\"m\"} 3",
        "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3",
        "vllm:time_to_first_token_seconds_bucket{engine=\"0\",model_name=\"m\",le=\"0.04\"} 1",
        "vllm:request_success_total{engine=\"0\",finished_reason=\"stop\",model_name=\"m\"} 1",
        "millrace_requests_finished_total{finished_reason=\"error\",model_name=\"m\"} 1"})
    EXPECT_NE(text.find(line), std::string::npos) << line;
  EXPECT_EQ(text.find("vllm:request_success_total{engine=\"0\",finished_reason=\"error\""),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::engine
