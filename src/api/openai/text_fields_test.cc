#include "api/openai/text_fields.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "api/fake_server.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;

class TextFieldsTest : public testing::Test {
 protected:
  explicit TextFieldsTest(FakeServer::Prepare prepare = {}) : server({}, std::move(prepare)) {}
  // What reaches the model for these members.
  GenerateRequest sent(const std::string& members) {
    const Answer answer = server.complete(R"("prompt":"Hi",)" + members);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return server.generator().requests().back();
  }
  std::string refused(const std::string& members) {
    const Answer answer = server.complete(R"("prompt":"Hi",)" + members);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return answer.status == 400 ? answer.error("param") + ":" + answer.error("code") : "";
  }
  FakeServer server;
};

TEST_F(TextFieldsTest, ReachTheModel) {
  const auto s =
      sent(R"("temperature":0.25,"top_p":0.5,"top_k":7,"min_p":0.1,"repetition_penalty":1.25,
    "presence_penalty":-1,"frequency_penalty":2,"seed":-1,"max_tokens":9,"min_tokens":2,"ignore_eos":true,
    "stop_token_ids":[1,2],"logit_bias":{"5":-100,"6":0.5},"allowed_token_ids":[3])")
          .sampling;
  EXPECT_EQ(s.temperature, 0.25f);
  EXPECT_EQ(s.top_p, 0.5f);
  EXPECT_EQ(s.top_k, 7);
  EXPECT_EQ(s.min_p, 0.1f);
  EXPECT_EQ(s.repetition_penalty, 1.25f);
  EXPECT_EQ(s.presence_penalty, -1);
  EXPECT_EQ(s.frequency_penalty, 2);
  EXPECT_EQ(s.seed, ~std::uint64_t{0});
  EXPECT_EQ(s.max_tokens, 9);
  EXPECT_EQ(s.min_tokens, 2);
  EXPECT_TRUE(s.ignore_eos);
  EXPECT_EQ(s.stop_token_ids, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(s.logit_bias.size(), 2u);
  EXPECT_EQ(s.allowed_token_ids, (std::vector<TokenId>{3}));
}

class TextDefaultsTest : public TextFieldsTest {
 protected:
  TextDefaultsTest() : TextFieldsTest(prepare) {}
  static Status prepare(const ModelSpec&, serving::FakeServable& servable) {
    servable.description.default_sampling.temperature = 0.6f;
    servable.description.default_sampling.top_k = 20;
    return {};
  }
};

TEST_F(TextDefaultsTest, OfTheModelStandWhereTheRequestIsSilent) {
  EXPECT_EQ(sent(R"("top_k":null)").sampling.temperature, 0.6f);
  EXPECT_EQ(sent(R"("top_k":null)").sampling.top_k, 20);
  EXPECT_EQ(sent(R"("top_k":-1)").sampling.top_k, 0);
  EXPECT_EQ(sent(R"("temperature":1)").sampling.temperature, 1);
  EXPECT_EQ(sent(R"("temperature":1)").sampling.max_tokens, 16)
      << "OpenAI's default for completions";
}

TEST_F(TextFieldsTest, HeadersReachTheModel) {
  auto http = FakeServer::request("POST", "/v1/completions", R"({"model":"m","prompt":"Hi"})");
  http.headers["x-slo-ttft-ms"] = "250";
  http.headers["x-slo-tpot-ms"] = "12.5";
  http.headers["x-request-timeout-ms"] = "2000";
  http.headers["x-gateway-inference-fairness-id"] = "acme";
  const TimePoint arrival = http.arrival;
  ASSERT_EQ(server.ask(std::move(http)).status, 200);
  const auto request = server.generator().requests().back();
  EXPECT_EQ(request.slo_ttft_seconds, 0.25);
  EXPECT_EQ(request.slo_tpot_seconds, 0.0125);
  EXPECT_EQ(request.tenant, "acme");
  EXPECT_EQ(request.arrival, arrival);
  EXPECT_EQ(request.deadline, arrival + 2s);
  EXPECT_EQ(request.id, "r1");
}

TEST_F(TextFieldsTest, BadHeadersAreRefused) {
  for (const char* name : {"x-slo-ttft-ms", "x-slo-tpot-ms", "x-request-timeout-ms"}) {
    for (const char* value : {"0", "-1", "abc", "1e99", "nan", "inf", "5ms"}) {
      auto http = FakeServer::request("POST", "/v1/completions", R"({"model":"m","prompt":"Hi"})");
      http.headers[name] = value;
      const Answer answer = server.ask(std::move(http));
      EXPECT_EQ(answer.status, 400) << name << ": " << value;
      EXPECT_EQ(answer.error("param"), name);
    }
  }
}

TEST_F(TextFieldsTest, DeadlinesComeFromTheBodyOrTheDefault) {
  const auto given = sent(R"("timeout":1.5)");
  EXPECT_EQ(given.deadline, given.arrival + 1500ms);
  const auto whole = sent(R"("n":1)");
  EXPECT_EQ(whole.deadline, whole.arrival + 300s);
  EXPECT_EQ(sent(R"("stream":true)").deadline, kNever);
}

TEST_F(TextFieldsTest, IdsPrioritiesAndSalts) {
  const auto request = sent(R"("request_id":"abc","priority":-5,"cache_salt":"s")");
  EXPECT_EQ(request.id, "abc");
  EXPECT_EQ(request.priority, -5);
  EXPECT_EQ(request.cache_salt, "s");
  EXPECT_EQ(server.complete(R"("prompt":"Hi","request_id":"abc")").json.at("id").as_string(),
            "cmpl-abc");
}

TEST_F(TextFieldsTest, ListsHaveLimits) {
  EXPECT_EQ(refused(R"("stop":["a","b","c","d","e"])"), "stop:value_out_of_range");
  EXPECT_EQ(refused(R"("stop":"")"), "stop:value_out_of_range");
  EXPECT_EQ(refused(R"("stop":["a",""])"), "stop:value_out_of_range");
  EXPECT_EQ(refused(R"("stop":[1])"), "stop:invalid_type");
  EXPECT_EQ(refused(R"("stop":")" + std::string(257, 'a') + "\""), "stop:value_out_of_range");
  std::string biases;
  for (int i = 0; i < 1025; ++i) biases += fmt::format("{}\"{}\":1", i ? "," : "", i);
  EXPECT_EQ(refused(R"("logit_bias":{)" + biases + "}"), "logit_bias:value_out_of_range");
  EXPECT_EQ(refused(R"("logit_bias":{"x":1})"), "logit_bias:invalid_value");
  EXPECT_EQ(refused(R"("logit_bias":{"1":1e9})"), "logit_bias:value_out_of_range");
  EXPECT_EQ(refused(R"("logit_bias":{"259":1})"), "logit_bias:value_out_of_range");
  EXPECT_EQ(refused(R"("logit_bias":{"4294967297":1})"), "logit_bias:invalid_value");
  EXPECT_EQ(refused(R"("logit_bias":{"1":null})"), "logit_bias:invalid_type");
  EXPECT_EQ(refused(R"("allowed_token_ids":[])"), "allowed_token_ids:value_out_of_range");
  EXPECT_EQ(refused(R"("stop_token_ids":[-1])"), "stop_token_ids:value_out_of_range");
  EXPECT_EQ(refused(R"("min_tokens":5,"max_tokens":4)"), "min_tokens:value_out_of_range");
}

TEST_F(TextFieldsTest, NHasTheServersLimit) {
  EXPECT_EQ(refused(R"("n":9)"), "n:value_out_of_range");
  EXPECT_EQ(refused(R"("n":16384)"), "n:value_out_of_range");
  EXPECT_EQ(refused(R"("best_of":9)"), "best_of:value_out_of_range");
  EXPECT_EQ(refused(R"("best_of":2)"), "best_of:unsupported_parameter");
  EXPECT_EQ(sent(R"("best_of":1,"n":1)").id, "r1");
}

TEST_F(TextFieldsTest, StreamOptionsNeedAStream) {
  EXPECT_EQ(refused(R"("stream_options":{"include_usage":true})"), "stream_options:invalid_value");
  EXPECT_EQ(refused(R"("stream":true,"stream_options":{"include_usage":1})"),
            "stream_options.include_usage:invalid_type");
  EXPECT_EQ(refused(R"("stream":true,"stream_options":[])"), "stream_options:invalid_type");
}

TEST_F(TextFieldsTest, WhatWouldChangeTheAnswerIsRefused) {
  for (const Refusal& refusal : refusals()) {
    if (refusal.name == "best_of") continue;
    EXPECT_EQ(refused(fmt::format(R"("{}":{{"type":"x"}})", refusal.name)),
              fmt::format("{}:unsupported_parameter", refusal.name));
    EXPECT_EQ(sent(fmt::format(R"("{}":null)", refusal.name)).id, "r1") << "null asks for nothing";
  }
}

TEST_F(TextFieldsTest, WhatAsksForTheUsualIsIgnored) {
  sent(
      R"("response_format":{"type":"text"},"suffix":"","use_beam_search":false,"modalities":["text"],
    "functions":[],"documents":[])");
  sent(
      R"("user":"u","metadata":{"a":"b"},"store":true,"service_tier":"auto","parallel_tool_calls":true,
    "reasoning_effort":"low","no_such_field":[1,2,3])");
}

}  // namespace
}  // namespace millrace::api
