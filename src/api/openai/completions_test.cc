#include "api/openai/completions.h"

#include <gtest/gtest.h>

#include "api/fake_server.h"

namespace millrace::api {
namespace {

class CompletionTest : public testing::Test {
 protected:
  std::string refused(const std::string& members) {
    const Answer answer = server.complete(members);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return answer.status == 400 ? answer.error("param") + ":" + answer.error("code") : "";
  }
  FakeServer server;
};

TEST_F(CompletionTest, AWholeAnswer) {
  const Answer answer = server.complete(R"("prompt":"Hi")");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json.at("id").as_string(), "cmpl-r1");
  EXPECT_EQ(answer.json.at("object").as_string(), "text_completion");
  EXPECT_EQ(answer.json.at("choices").at(0).at("text").as_string(), "Hello");
  EXPECT_EQ(answer.json.at("choices").at(0).at("finish_reason").as_string(), "stop");
  EXPECT_EQ(answer.json.at("usage").at("prompt_tokens").as_int64(), 2);
}

TEST_F(CompletionTest, AStream) {
  const Answer answer = server.complete(R"("prompt":"Hi","stream":true)");
  std::string text;
  for (const json::value& event : answer.events)
    text += event.at("choices").at(0).at("text").as_string();
  EXPECT_EQ(text, "Hello");
  EXPECT_EQ(answer.events.back().at("choices").at(0).at("finish_reason").as_string(), "stop");
  EXPECT_TRUE(answer.done);
}

TEST_F(CompletionTest, EveryKindOfPrompt) {
  const auto prompts = [&](const std::string& prompt) {
    const auto before = server.generator().requests().size();
    const Answer answer = server.complete(R"("prompt":)" + prompt);
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<std::vector<TokenId>> sent;
    const auto requests = server.generator().requests();
    for (auto i = before; i < requests.size(); ++i) sent.push_back(requests[i].prompt);
    EXPECT_EQ(answer.json.at("choices").as_array().size(), sent.size());
    return sent;
  };
  using Ids = std::vector<std::vector<TokenId>>;
  EXPECT_EQ(prompts(R"("ab")"), (Ids{{'a', 'b'}}));
  EXPECT_EQ(prompts(R"(["ab","c"])"), (Ids{{'a', 'b'}, {'c'}}));
  EXPECT_EQ(prompts("[97,258]"), (Ids{{97, 258}}));
  EXPECT_EQ(prompts("[[97],[98,99]]"), (Ids{{97}, {98, 99}}));
}

TEST_F(CompletionTest, PromptsAreChecked) {
  EXPECT_EQ(refused(R"("n":1)"), "prompt:missing_required_parameter");
  EXPECT_EQ(refused(R"("prompt":null)"), "prompt:missing_required_parameter");
  EXPECT_EQ(refused(R"("prompt":"")"), "prompt:invalid_value");
  EXPECT_EQ(refused(R"("prompt":[])"), "prompt:invalid_value");
  EXPECT_EQ(refused(R"("prompt":[[]])"), "prompt:invalid_value");
  EXPECT_EQ(refused(R"("prompt":[""])"), "prompt:invalid_value");
  EXPECT_EQ(refused(R"("prompt":{})"), "prompt:invalid_type");
  EXPECT_EQ(refused(R"("prompt":5)"), "prompt:invalid_type");
  EXPECT_EQ(refused(R"("prompt":["a",5])"), "prompt:invalid_type");
  EXPECT_EQ(refused(R"("prompt":[5,"a"])"), "prompt:invalid_type");
  EXPECT_EQ(refused(R"("prompt":[[5],"a"])"), "prompt:invalid_type");
  EXPECT_EQ(refused(R"("prompt":[-1])"), "prompt:value_out_of_range");
  EXPECT_EQ(refused(R"("prompt":[259])"), "prompt:value_out_of_range");
  EXPECT_EQ(refused(R"("prompt":[1099511627776])"), "prompt:value_out_of_range");
  EXPECT_EQ(refused(R"("prompt":[1.5])"), "prompt:invalid_type");
  std::string many = "[";
  for (int i = 0; i < 129; ++i) many += "\"a\",";
  many.back() = ']';
  EXPECT_EQ(refused(R"("prompt":)" + many), "prompt:value_out_of_range");
}

TEST_F(CompletionTest, EchoAndLogProbabilities) {
  server.generator().reply = "x\xC3\xA4";
  const Answer echoed = server.complete(R"("prompt":"Hé","echo":true)");
  EXPECT_EQ(echoed.json.at("choices").at(0).at("text").as_string(), "Héxä");
  const Answer answer = server.complete(R"("prompt":"Hi","logprobs":2)");
  const auto& logprobs = answer.json.at("choices").at(0).at("logprobs");
  EXPECT_EQ(logprobs.at("tokens").at(0).as_string(), "x");
  EXPECT_EQ(logprobs.at("tokens").at(1).as_string(), "bytes:\\xc3");
  EXPECT_EQ(logprobs.at("token_logprobs").at(0).as_double(), -0.5);
  EXPECT_EQ(logprobs.at("top_logprobs").at(0).as_object().size(), 2u);
  EXPECT_EQ(logprobs.at("top_logprobs").at(0).at("x").as_double(), -0.5);
  EXPECT_EQ(logprobs.at("text_offset").at(1).as_int64(), 1);
  const Answer chosen = server.complete(R"("prompt":"Hi","logprobs":0)");
  EXPECT_EQ(
      chosen.json.at("choices").at(0).at("logprobs").at("top_logprobs").at(0).as_object().size(),
      1u);
  EXPECT_EQ(refused(R"("prompt":"Hi","echo":true,"logprobs":1)"), "logprobs:unsupported_parameter");
}

TEST_F(CompletionTest, OffsetsGoOnThroughAStream) {
  server.generator().reply = "ab\xC3\xA4z";
  const Answer answer = server.complete(R"("prompt":"Hi","logprobs":0,"stream":true)");
  std::vector<std::int64_t> offsets;
  for (const json::value& event : answer.events) {
    for (const auto& offset :
         event.at("choices").at(0).at("logprobs").at("text_offset").as_array()) {
      offsets.push_back(offset.as_int64());
    }
  }
  EXPECT_EQ(offsets, (std::vector<std::int64_t>{0, 1, 2, 3, 3}));
}

}  // namespace
}  // namespace millrace::api
