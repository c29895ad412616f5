#include "api/openai/chat.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "api/fake_server.h"
#include "api/openai/answer.h"
#include "api/openai/request_body.h"
#include "api/openai/run.h"

namespace millrace::api {
namespace {

using namespace std::chrono_literals;

class ChatTest : public testing::Test {
 protected:
  Answer chat(const std::string& more = "") {
    return server.chat(kHello + (more.empty() ? "" : "," + more));
  }
  FakeServer server;
};

std::string content_of(const std::vector<json::value>& events, int choice) {
  std::string text;
  for (const json::value& event : events) {
    for (const json::value& part : event.at("choices").as_array()) {
      const json::value* content = part.at("delta").as_object().if_contains("content");
      if (part.at("index").as_int64() == choice && content) text += content->as_string();
    }
  }
  return text;
}

TEST_F(ChatTest, AWholeAnswer) {
  const Answer answer = chat();
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.whole.content_type, "application/json");
  const json::value& body = answer.json;
  EXPECT_EQ(body.at("id").as_string(), "chatcmpl-r1");
  EXPECT_EQ(body.at("object").as_string(), "chat.completion");
  EXPECT_EQ(body.at("model").as_string(), "m");
  EXPECT_TRUE(body.at("system_fingerprint").as_string().starts_with("fp_"));
  EXPECT_GT(body.at("created").as_int64(), 1'700'000'000);
  const json::value& choice = body.at("choices").at(0);
  EXPECT_EQ(choice.at("index").as_int64(), 0);
  EXPECT_EQ(choice.at("message").at("role").as_string(), "assistant");
  EXPECT_EQ(choice.at("message").at("content").as_string(), "Hello");
  EXPECT_EQ(choice.at("finish_reason").as_string(), "stop");
  EXPECT_TRUE(choice.at("logprobs").is_null());
  const json::value& usage = body.at("usage");
  EXPECT_EQ(usage.at("completion_tokens").as_int64(), 6);
  EXPECT_EQ(usage.at("total_tokens").as_int64(), usage.at("prompt_tokens").as_int64() + 6);
  EXPECT_EQ(usage.at("prompt_tokens_details").at("cached_tokens").as_int64(), 3);
}

TEST_F(ChatTest, AStreamHasOpenAisShape) {
  const Answer answer = chat(R"("stream":true,"stream_options":{"include_usage":true})");
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.whole.content_type, "text/event-stream");
  EXPECT_TRUE(answer.done);
  ASSERT_GE(answer.events.size(), 4u);
  const auto& first = answer.events.front().at("choices").at(0);
  EXPECT_EQ(first.at("delta").at("role").as_string(), "assistant");
  EXPECT_TRUE(first.at("finish_reason").is_null());
  EXPECT_EQ(content_of(answer.events, 0), "Hello");
  for (const json::value& event : answer.events) {
    EXPECT_EQ(event.at("object").as_string(), "chat.completion.chunk");
    EXPECT_EQ(event.at("id").as_string(), "chatcmpl-r1");
  }
  const auto& last = answer.events[answer.events.size() - 2].at("choices").at(0);
  EXPECT_EQ(last.at("finish_reason").as_string(), "stop");
  EXPECT_TRUE(last.at("delta").as_object().empty());
  EXPECT_TRUE(answer.events.front().at("usage").is_null());
  EXPECT_TRUE(answer.events.back().at("choices").as_array().empty());
  EXPECT_EQ(answer.events.back().at("usage").at("completion_tokens").as_int64(), 6);
}

TEST_F(ChatTest, UsageOnlyWhenAskedFor) {
  const Answer silent = chat(R"("stream":true)");
  for (const json::value& event : silent.events) EXPECT_FALSE(event.as_object().contains("usage"));
  const Answer always = chat(
      R"("stream":true,"stream_options":{"continuous_usage_stats":true,"include_usage":true})");
  for (const json::value& event : always.events) EXPECT_TRUE(event.at("usage").is_object());
}

TEST_F(ChatTest, SeveralChoicesInOneStream) {
  const Answer answer = chat(R"("stream":true,"n":3)");
  for (int choice = 0; choice < 3; ++choice) EXPECT_EQ(content_of(answer.events, choice), "Hello");
  int roles = 0, ends = 0;
  for (const json::value& event : answer.events) {
    const auto& part = event.at("choices").at(0);
    roles += part.at("delta").as_object().contains("role");
    ends += !part.at("finish_reason").is_null();
  }
  EXPECT_EQ(roles, 3);
  EXPECT_EQ(ends, 3);
  EXPECT_EQ(chat(R"("n":3)").json.at("choices").as_array().size(), 3u);
}

TEST_F(ChatTest, LogProbabilities) {
  server.generator().reply = "\xC3\xA4";  // two tokens, one character
  const Answer answer = chat(R"("logprobs":true,"top_logprobs":2)");
  const auto& content = answer.json.at("choices").at(0).at("logprobs").at("content").as_array();
  ASSERT_EQ(content.size(), 2u);
  EXPECT_EQ(content[0].at("token").as_string(), "\xEF\xBF\xBD");
  EXPECT_EQ(content[0].at("bytes").at(0).as_int64(), 0xC3);
  EXPECT_EQ(content[0].at("logprob").as_double(), -0.5);
  ASSERT_EQ(content[0].at("top_logprobs").as_array().size(), 2u);
  EXPECT_EQ(content[0].at("top_logprobs").at(1).at("logprob").as_double(), -1.5);
  EXPECT_EQ(chat(R"("logprobs":true)")
                .json.at("choices")
                .at(0)
                .at("logprobs")
                .at("content")
                .at(0)
                .at("top_logprobs")
                .as_array()
                .size(),
            0u);
  const Answer streamed = chat(R"("logprobs":true,"stream":true)");
  std::size_t tokens = 0;
  for (const json::value& event : streamed.events) {
    const auto& logprobs = event.at("choices").at(0).at("logprobs");
    if (!logprobs.is_null()) tokens += logprobs.at("content").as_array().size();
  }
  EXPECT_EQ(tokens, 2u);
  EXPECT_EQ(chat(R"("top_logprobs":2)").error("param"), "top_logprobs");
  EXPECT_EQ(chat(R"("logprobs":true,"top_logprobs":21)").error("param"), "top_logprobs");
}

TEST_F(ChatTest, StopsAndTokenLimits) {
  const Answer stopped = chat(R"("stop":["l"])");
  const auto& choice = stopped.json.at("choices").at(0);
  EXPECT_EQ(choice.at("message").at("content").as_string(), "He");
  EXPECT_EQ(choice.at("finish_reason").as_string(), "stop");
  EXPECT_EQ(choice.at("stop_reason").as_string(), "l");
  EXPECT_EQ(chat(R"("stop":"l","include_stop_str_in_output":true)")
                .json.at("choices")
                .at(0)
                .at("message")
                .at("content")
                .as_string(),
            "Hel");
  for (const char* limit : {"max_tokens", "max_completion_tokens"}) {
    const Answer limited = chat(fmt::format(R"("{}":2)", limit));
    EXPECT_EQ(limited.json.at("choices").at(0).at("message").at("content").as_string(), "He");
    EXPECT_EQ(limited.json.at("choices").at(0).at("finish_reason").as_string(), "length");
    const Answer over = chat(fmt::format(R"("{}":600)", limit));
    EXPECT_EQ(over.status, 400);
    EXPECT_EQ(over.error("param"), limit);
    EXPECT_EQ(over.error("code"), "context_length_exceeded");
  }
}

TEST_F(ChatTest, TokenIdsWhenAskedFor) {
  const Answer answer = chat(R"("return_token_ids":true,"max_tokens":2)");
  EXPECT_EQ(answer.json.at("choices").at(0).at("token_ids").at(1).as_int64(), 'e');
  EXPECT_EQ(answer.json.at("prompt_token_ids").at(0).as_int64(), serving::kFakeStart);
  const Answer streamed = chat(R"("return_token_ids":true,"max_tokens":2,"stream":true)");
  EXPECT_TRUE(streamed.events[0].at("choices").at(0).as_object().contains("prompt_token_ids"));
}

TEST_F(ChatTest, ToolsReachTheTemplateUnlessHidden) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}])";
  EXPECT_EQ(chat(tools).status, 200);
  EXPECT_EQ(chat(tools + R"(,"tool_choice":"none")").status, 200);
  EXPECT_EQ(chat(tools + R"(,"tool_choice":"required")").error("code"), "unsupported_parameter");
}

TEST_F(ChatTest, ContinuingTheLastMessage) {
  const Answer answer = server.chat(R"("messages":[{"role":"assistant","content":"One"}],
    "continue_final_message":true,"return_token_ids":true)");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json.at("prompt_token_ids").as_array().back().as_int64(), 'e');
  EXPECT_EQ(server
                .chat(R"("messages":[{"role":"assistant","content":"One"}],
    "continue_final_message":true,"add_generation_prompt":true)")
                .error("param"),
            "continue_final_message");
}

TEST_F(ChatTest, AnErrorBeforeTheFirstTokenHasItsStatus) {
  server.generator().automatic = false;
  for (const char* stream : {"true", "false"}) {
    const auto before = server.generator().requests().size();
    const auto respond = server.send(
        FakeServer::request("POST", "/v1/chat/completions",
                            fmt::format(R"({{"model":"m",{},"stream":{}}})", kHello, stream)));
    TokenEvent late;
    late.finish = FinishReason::error;
    late.error = {.kind = ErrorKind::deadline_exceeded, .message = "Too late.", .code = "deadline"};
    server.generator().channel(before)->try_push(std::move(late));
    ASSERT_TRUE(respond->wait_done());
    EXPECT_EQ(respond->whole.status, 504);
    EXPECT_EQ(FakeServer::read(respond->whole).error("code"), "deadline");
  }
}

TEST_F(ChatTest, AnErrorAfterTheFirstTokenIsAnEvent) {
  server.generator().automatic = false;
  const auto respond = server.send(FakeServer::request(
      "POST", "/v1/chat/completions", fmt::format(R"({{"model":"m",{},"stream":true}})", kHello)));
  const auto channel = server.generator().channel(0);
  channel->try_push(serving::FakeGenerator::event('a', {}));
  ASSERT_TRUE(respond->wait([](const std::string& body) { return !body.empty(); }));
  TokenEvent failed;
  failed.finish = FinishReason::error;
  failed.error = {.kind = ErrorKind::internal, .message = "The step failed."};
  channel->try_push(std::move(failed));
  ASSERT_TRUE(respond->wait_done());
  EXPECT_EQ(respond->whole.status, 200);
  const Answer answer = FakeServer::read(respond->whole);
  EXPECT_EQ(answer.events.back().at("error").at("type").as_string(), "server_error");
  EXPECT_EQ(respond->num_answers, 1);
}

TEST_F(ChatTest, AClientThatLeavesClosesTheChannelsAtOnce) {
  server.generator().automatic = false;
  for (const char* stream : {"true", "false"}) {
    const auto before = server.generator().requests().size();
    const auto respond = server.send(FakeServer::request(
        "POST", "/v1/chat/completions",
        fmt::format(R"({{"model":"m",{},"n":2,"stream":{}}})", kHello, stream)));
    respond->disconnect();
    EXPECT_TRUE(server.generator().channel(before)->closed());
    EXPECT_TRUE(server.generator().channel(before + 1)->closed());
  }
  for (int i = 0; i < 200 && server.admission.num_requests() > 0; ++i)
    std::this_thread::sleep_for(5ms);
  EXPECT_EQ(server.admission.num_requests(), 0);
}

TEST_F(ChatTest, WaitingStreamsArePinged) {
  server.generator().automatic = false;
  const auto respond = server.send(FakeServer::request(
      "POST", "/v1/chat/completions", fmt::format(R"({{"model":"m",{},"stream":true}})", kHello)));
  EXPECT_TRUE(
      respond->wait([](const std::string& body) { return body.find(": ping\n\n") != body.npos; }));
  respond->disconnect();
}

TEST_F(ChatTest, TheBodyMustBeAJsonObject) {
  const auto code = [&](std::string body) {
    const Answer answer = server.post("/v1/chat/completions", std::move(body));
    EXPECT_EQ(answer.status, 400) << answer.body;
    return answer.error("code");
  };
  EXPECT_EQ(code("{"), "invalid_json");
  EXPECT_EQ(code("{} x"), "invalid_json");
  EXPECT_EQ(code(R"({"a":1,"a":2})"), "invalid_json");
  EXPECT_EQ(code(R"({"a":NaN})"), "invalid_json");
  EXPECT_EQ(code("[1]"), "invalid_type");
  EXPECT_EQ(code(std::string(100'000, '[')), "json_too_deep");
  EXPECT_EQ(code(R"({"messages":[]})"), "missing_required_parameter");
  EXPECT_EQ(code(R"({"model":5})"), "invalid_type");
}

TEST_F(ChatTest, TheMediaTypeMustBeJson) {
  auto http = FakeServer::request("POST", "/v1/chat/completions", "{}");
  http.headers["content-type"] = "text/plain";
  EXPECT_EQ(server.ask(http).status, 415);
  http.headers["content-type"] = "Application/JSON; charset=utf-8";
  EXPECT_EQ(server.ask(http).status, 400);
  http.headers["content-encoding"] = "gzip";
  EXPECT_EQ(server.ask(http).status, 415);
}

TEST_F(ChatTest, UnknownModels) {
  for (const char* name : {"gpt-4", "../m", "a/../../b", "m?x", ""}) {
    const Answer answer =
        server.post("/v1/chat/completions", fmt::format(R"({{"model":"{}",{}}})", name, kHello));
    EXPECT_EQ(answer.status, 404) << name;
    EXPECT_EQ(answer.error("code"), "model_not_found");
    EXPECT_EQ(answer.error("param"), "model");
  }
  const Answer huge = server.post("/v1/chat/completions",
                                  R"({"model":")" + std::string(5000, 'x') + "\"," + kHello + "}");
  EXPECT_EQ(huge.status, 404);
  EXPECT_LT(huge.body.size(), 300u);
}

}  // namespace
}  // namespace millrace::api
