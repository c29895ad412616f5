#include "engine/request_checks.h"

#include <gtest/gtest.h>

#include <limits>

namespace millrace::engine {
namespace {

EngineConfig config() {
  EngineConfig c;
  c.vocab_size = 100;
  c.max_model_len = 50;
  c.num_blocks = 2;
  c.block_tokens = 16;
  c.complete();
  return c;
}

GenerateRequest valid() {
  GenerateRequest request;
  request.prompt = {1, 2, 3};
  return request;
}

TEST(RequestChecks, TooLongAndTooLargeSayFigures) {
  GenerateRequest request = valid();
  EXPECT_TRUE(check_request(request, config()));
  request.sampling.max_tokens = 48;
  const Status too_long = check_request(request, config());
  EXPECT_EQ(too_long.error().code, "context_length_exceeded");
  EXPECT_NE(too_long.error().message.find("51"), std::string::npos);
  request.sampling.max_tokens = 30;
  const Status too_large = check_request(request, config());
  EXPECT_EQ(too_large.error().code, "request_too_large");
  EXPECT_NE(too_large.error().message.find("32"), std::string::npos);
  request.sampling.max_tokens = std::numeric_limits<int>::max();
  EXPECT_FALSE(check_request(request, config()));
}

TEST(RequestChecks, EveryNumberHasARange) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto param_of = [](auto change) {
    GenerateRequest request = valid();
    change(request.sampling);
    const Status s = check_request(request, config());
    return s ? std::string("accepted") : s.error().param;
  };
  for (const float bad : {-1.0f, 1000.0f, nan}) {
    EXPECT_EQ(param_of([&](auto& s) { s.temperature = bad; }), "temperature");
    EXPECT_EQ(param_of([&](auto& s) { s.top_p = bad; }), "top_p");
    EXPECT_EQ(param_of([&](auto& s) { s.min_p = bad; }), "min_p");
    EXPECT_EQ(param_of([&](auto& s) { s.repetition_penalty = bad; }), "repetition_penalty");
    EXPECT_EQ(param_of([&](auto& s) { s.logit_bias = {{1, bad * 2}}; }),
              bad == -1.0f ? "accepted" : "logit_bias");
  }
  EXPECT_EQ(param_of([](auto& s) { s.top_p = 0; }), "top_p");
  EXPECT_EQ(param_of([](auto& s) { s.top_k = -2; }), "top_k");
  EXPECT_EQ(param_of([](auto& s) { s.min_tokens = 17; }), "min_tokens");
  EXPECT_EQ(param_of([&](auto& s) { s.presence_penalty = nan; }), "presence_penalty");
  EXPECT_EQ(param_of([&](auto& s) { s.frequency_penalty = nan; }), "frequency_penalty");
  EXPECT_EQ(param_of([](auto& s) { s.num_logprobs = 21; }), "top_logprobs");
  EXPECT_EQ(param_of([](auto& s) { s.num_prompt_logprobs = 21; }), "prompt_logprobs");
  EXPECT_EQ(param_of([](auto& s) { s.logit_bias = {{100, 1}}; }), "logit_bias");
  EXPECT_EQ(param_of([](auto& s) { s.allowed_token_ids = {-1}; }), "allowed_token_ids");
}

}  // namespace
}  // namespace millrace::engine
