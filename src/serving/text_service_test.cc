#include "serving/text_service.h"

#include <gtest/gtest.h>

#include <chrono>

#include "serving/fake_model.h"
#include "serving/recording_sink.h"
#include "serving/sampling_checks.h"
#include "serving/text_metrics.h"
#include "serving/ticker.h"

namespace millrace::serving {
namespace {

using namespace std::chrono_literals;

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    folder.file("m.fake");
    ASSERT_TRUE(store.open());
    ASSERT_TRUE(store.wait_until_loaded(5s));
    model = *service.find_model("m");
    fake = &backend.last->fake();
  }
  void TearDown() override { model.reset(); }

  TextOptions options() const { return {.model = model, .id = "req"}; }
  ChatRequest chat(std::string text) const {
    return {.options = options(),
            .prompt = {.messages = {{.role = "user", .content = std::move(text)}}}};
  }
  Result<std::shared_ptr<TextStream>> complete(std::string prompt, TextOptions with) {
    return service.complete({.options = std::move(with), .prompts = {std::move(prompt)}});
  }
  std::shared_ptr<Recording> run(Result<std::shared_ptr<TextStream>> stream) {
    EXPECT_TRUE(stream) << (stream ? "" : stream.error().message);
    auto recording = std::make_shared<Recording>();
    if (!stream) return recording;
    service.start(*stream, std::make_unique<RecordingSink>(recording));
    EXPECT_TRUE(recording->wait_end());
    return recording;
  }
  Error error_of(Result<std::shared_ptr<TextStream>> stream) {
    EXPECT_FALSE(stream);
    EXPECT_EQ(admission.num_requests(), 0);
    return stream ? Error{} : stream.error();
  }

  ~ServiceTest() override { workers.wait_idle(); }

  TemporaryFolder folder;
  FakeBackend backend;
  Metrics metrics;
  WorkerPool workers{"test", 2};  // outlives the models, whose threads hand it their answers
  ModelStore store{{.path = folder.path(), .defaults = {}, .memory = {.total_bytes = 1 << 20}},
                   {&backend},
                   metrics};
  Admission admission{{.max_requests = 4}};
  TextService service{store, admission, workers, metrics, 150ms};
  ModelHandle model;
  FakeGenerator* fake = nullptr;
};

TEST_F(ServiceTest, ChatGoesThroughTheTemplate) {
  const auto recording = run(service.chat(chat("Hi")));
  EXPECT_EQ(recording->text[0], "Hello");
  const auto request = fake->requests().at(0);
  EXPECT_EQ(model->text()->decode(request.prompt),
            "<|start|>user\nHi<|end|>\n<|start|>assistant\n");
  EXPECT_EQ(request.prompt.front(), kFakeStart) << "special tokens are tokens";
  EXPECT_EQ(request.id, "req");
  EXPECT_EQ(request.sampling.max_tokens, 512 - static_cast<int>(request.prompt.size()));
}

TEST_F(ServiceTest, DefaultMaxTokensIsAtMostWhatTheOptionsSay) {
  auto request = chat("Hi");
  request.options.default_max_tokens = 7;
  run(service.chat(std::move(request)));
  EXPECT_EQ(fake->requests().at(0).sampling.max_tokens, 7);
}

TEST_F(ServiceTest, ChoicesAreSubmitsWithSeedsOfTheirOwn) {
  auto request = chat("Hi");
  request.options.n = 3;
  request.options.sampling.seed = 40;
  const auto recording = run(service.chat(std::move(request)));
  EXPECT_EQ(recording->text.size(), 3u);
  const auto requests = fake->requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].sampling.seed, 40u);
  EXPECT_EQ(requests[2].sampling.seed, 42u);
  EXPECT_EQ(requests[2].id, "req-2");
  EXPECT_EQ(requests[2].prompt, requests[0].prompt);
}

TEST_F(ServiceTest, ARefusalHalfWayTakesAllBack) {
  fake->automatic = false;
  fake->refusal = Error{.kind = ErrorKind::unavailable, .message = "full"};
  fake->refuse_after = 2;
  auto request = chat("Hi");
  request.options.n = 3;
  EXPECT_EQ(error_of(service.chat(std::move(request))).message, "full");
  EXPECT_TRUE(fake->channel(0)->closed());
  EXPECT_TRUE(fake->channel(1)->closed());
}

TEST_F(ServiceTest, SeveralPromptsAreSeveralChoices) {
  fake->reply = "x";
  CompletionRequest request{.options = options(),
                            .prompts = {std::string("ab"), std::vector<TokenId>{'c', 'd', 'e'}},
                            .echo = true};
  const auto recording = run(service.complete(std::move(request)));
  EXPECT_EQ(recording->text[0], "abx");
  EXPECT_EQ(recording->text[1], "cdex");
  EXPECT_EQ(recording->usage.num_prompt_tokens, 5);
  EXPECT_EQ(recording->usage.num_cached_tokens, 6);
}

TEST_F(ServiceTest, TheContextIsALimit) {
  auto exact = options();
  exact.max_tokens = 12;
  EXPECT_TRUE(run(complete(std::string(500, 'a'), exact))->ended);
  exact.max_tokens = 13;
  Error error = error_of(complete(std::string(500, 'a'), exact));
  EXPECT_EQ(error.code, "context_length_exceeded");
  EXPECT_EQ(error.param, "max_tokens");
  error = error_of(complete(std::string(512, 'a'), options()));
  EXPECT_EQ(error.code, "context_length_exceeded");
  EXPECT_EQ(error.param, "prompt");
}

TEST_F(ServiceTest, WhatCannotFitIsNotTokenised) {
  std::string prompt(27'000'000, 'a');
  auto in_chat = chat(prompt);
  const auto began = Clock::now();
  const Error error = error_of(complete(std::move(prompt), options()));
  EXPECT_EQ(error.code, "context_length_exceeded");
  EXPECT_EQ(error_of(service.chat(std::move(in_chat))).param, "messages");
  EXPECT_LT(seconds_between(began, Clock::now()), 0.2) << "sanitizers included";
}

TEST_F(ServiceTest, TruncationKeepsTheEnd) {
  auto with = options();
  with.truncate_prompt_tokens = 3;
  run(complete("abcdef", with));
  EXPECT_EQ(fake->requests().at(0).prompt, (std::vector<TokenId>{'d', 'e', 'f'}));
}

TEST_F(ServiceTest, ChoicesMustFitTheCacheTogether) {
  fake->next_stats.num_blocks = 10;  // of 16 tokens
  auto with = options();
  with.n = 4;  // 2 blocks each: 32 tokens
  with.max_tokens = 28;
  EXPECT_TRUE(run(complete("abcd", with))->ended);
  with.max_tokens = 29;
  const Error error = error_of(complete("abcd", with));
  EXPECT_EQ(error.code, "request_too_large");
  EXPECT_EQ(error.param, "n");
  with.max_tokens.reset();
  EXPECT_TRUE(run(complete("abcd", with))->ended) << "without a number it gets what fits";
  EXPECT_EQ(fake->requests().back().sampling.max_tokens, 28);
}

TEST_F(ServiceTest, TokenIdsAreInTheVocabulary) {
  const auto param_of = [&](auto change) {
    TextOptions with = options();
    change(with.sampling);
    return error_of(complete("a", with)).param;
  };
  EXPECT_EQ(param_of([](auto& s) { s.logit_bias = {{kFakeVocab, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(param_of([](auto& s) { s.logit_bias = {{-1, 1.0f}}; }), "logit_bias");
  EXPECT_EQ(param_of([](auto& s) { s.allowed_token_ids = {1, kFakeVocab}; }), "allowed_token_ids");
  EXPECT_EQ(param_of([](auto& s) { s.stop_token_ids = {kFakeVocab}; }), "stop_token_ids");
  EXPECT_EQ(param_of([](auto& s) { s.min_tokens = 512; }), "min_tokens");
  const Error error = error_of(
      service.complete({.options = options(), .prompts = {std::vector<TokenId>{kFakeVocab}}}));
  EXPECT_EQ(error.param, "prompt");
}

TEST_F(ServiceTest, BadWordsAreSingleTokens) {
  auto with = options();
  with.bad_words = {"a"};
  run(complete("x", with));
  const auto bias = fake->requests().at(0).sampling.logit_bias;
  ASSERT_EQ(bias.size(), 1u);
  EXPECT_EQ(bias[0].first, 'a');
  EXPECT_LE(bias[0].second, -1000);
  with.bad_words = {"ab"};
  EXPECT_EQ(error_of(complete("x", with)).param, "bad_words");
}

TEST_F(ServiceTest, AdmissionIsTheFirstDoor) {
  fake->automatic = false;
  std::vector<std::shared_ptr<TextStream>> running;
  for (int i = 0; i < 4; ++i) running.push_back(*service.chat(chat("Hi")));
  const auto refused = service.chat(chat("Hi"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "overloaded");
  running.pop_back();
  EXPECT_EQ(admission.num_requests(), 3);
}

TEST_F(ServiceTest, SilenceIsBroken) {
  fake->automatic = false;
  auto stream = service.chat(chat("Hi"));
  ASSERT_TRUE(stream);
  auto recording = std::make_shared<Recording>();
  service.start(*stream, std::make_unique<RecordingSink>(recording));
  EXPECT_TRUE(recording->wait([&] { return recording->num_idle >= 2; }));
  (*stream)->cancel();
  EXPECT_TRUE(recording->wait([&] { return recording->gone; }));
}

TEST_F(ServiceTest, EndAllAnswersEveryone) {
  fake->automatic = false;
  std::vector<std::shared_ptr<Recording>> recordings;
  for (int i = 0; i < 3; ++i) {
    recordings.push_back(std::make_shared<Recording>());
    service.start(*service.chat(chat("Hi")), std::make_unique<RecordingSink>(recordings.back()));
  }
  service.end_all({.kind = ErrorKind::unavailable, .message = "bye", .code = "server_shutdown"});
  for (const auto& recording : recordings) {
    ASSERT_TRUE(recording->wait_end());
    EXPECT_EQ(recording->error->code, "server_shutdown");
  }
  EXPECT_EQ(admission.num_requests(), 0);
}

TEST_F(ServiceTest, KnowsItsModels) {
  EXPECT_EQ(service.find_model("nope").error().code, "model_not_found");
  EXPECT_EQ(service.find_model("M").value()->name(), "m");
}

}  // namespace
}  // namespace millrace::serving
