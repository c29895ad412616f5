// The contract of servable/servable.h as one test body for every generator; contract_test.cc runs
// it on each backend. `make` loads a fresh model; null means this machine cannot (the tests are
// skipped).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "servable/servable.h"

namespace millrace::backends {

struct ContractCase {
  std::string name;
  std::function<std::unique_ptr<Servable>(Metrics&)> make;
};
inline std::ostream& operator<<(std::ostream& out, const ContractCase& c) {
  return out << c.name;
}

class GeneratorContract : public testing::TestWithParam<ContractCase> {
 protected:
  void SetUp() override {
    model_ = GetParam().make(metrics_);
    if (!model_) GTEST_SKIP() << GetParam().name << " cannot be loaded here";
    ASSERT_NE(model_->generator(), nullptr);
  }
  Generator& generator() { return *model_->generator(); }
  GenerateRequest request(int prompt_length, int max_tokens, unsigned first = 1) {
    GenerateRequest r;
    std::mt19937 random(first);
    const auto vocab = static_cast<unsigned>(model_->describe().vocab_size);
    for (int i = 0; i < prompt_length; ++i)
      r.prompt.push_back(static_cast<TokenId>(random() % vocab));
    r.sampling.max_tokens = max_tokens;
    r.sampling.ignore_eos = true;
    r.sampling.temperature = 0;
    r.sampling.seed = 1;
    return r;
  }
  static std::shared_ptr<TokenChannel> channel(std::size_t capacity = 4096) {
    return std::make_shared<TokenChannel>(capacity);
  }
  static std::vector<TokenEvent> read_all(TokenChannel& reply) {
    std::vector<TokenEvent> events;
    while (auto event = reply.pop_for(std::chrono::seconds(60)))
      events.push_back(std::move(*event));
    return events;
  }
  std::vector<TokenId> generate(GenerateRequest r) {
    auto reply = channel();
    const Status submitted = generator().submit(std::move(r), reply);
    EXPECT_TRUE(submitted) << submitted.error().message;
    std::vector<TokenId> tokens;
    for (const TokenEvent& event : read_all(*reply)) tokens.push_back(event.token);
    return tokens;
  }
  bool becomes_idle() {
    for (int i = 0; i < 5000; ++i) {
      const GeneratorStats s = generator().stats();
      if (s.num_running == 0 && s.num_waiting == 0 &&
          s.num_free_blocks + s.num_cached_blocks == s.num_blocks)
        return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }

  Metrics metrics_;
  std::unique_ptr<Servable> model_;
};

TEST_P(GeneratorContract, DescribesItself) {
  const ModelDescription& d = model_->describe();
  EXPECT_FALSE(d.name.empty());
  EXPECT_FALSE(d.backend.empty());
  EXPECT_GT(d.vocab_size, 1);
  EXPECT_GT(d.max_model_len, 1);
  EXPECT_GT(d.max_num_seqs, 0);
  EXPECT_GT(d.kv_block_tokens, 0);
}

TEST_P(GeneratorContract, StreamsThenFinishesThenCloses) {
  auto reply = channel();
  ASSERT_TRUE(generator().submit(request(20, 7), reply));
  const auto events = read_all(*reply);
  ASSERT_EQ(events.size(), 7u);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].finish, i + 1 < events.size() ? FinishReason::none : FinishReason::length);
    EXPECT_GE(events[i].token, 0);
    EXPECT_LT(events[i].token, model_->describe().vocab_size);
  }
  EXPECT_EQ(events.back().usage.num_prompt_tokens, 20);
  EXPECT_EQ(events.back().usage.num_completion_tokens, 7);
  EXPECT_TRUE(reply->closed());
}

TEST_P(GeneratorContract, GreedyIsRepeatable) {
  EXPECT_EQ(generate(request(33, 10)), generate(request(33, 10)));
}

TEST_P(GeneratorContract, SameSeedSameTokens) {
  GenerateRequest r = request(12, 12);
  r.sampling.temperature = 1;
  r.sampling.seed = 99;
  EXPECT_EQ(generate(r), generate(r));
}

TEST_P(GeneratorContract, RepeatedPromptIsFoundInThePrefixCache) {
  const int length = 3 * model_->describe().kv_block_tokens + 2;
  (void)generate(request(length, 2));
  auto reply = channel();
  ASSERT_TRUE(generator().submit(request(length, 2), reply));
  const int cached = read_all(*reply).back().usage.num_cached_tokens;
  EXPECT_EQ(cached, 3 * model_->describe().kv_block_tokens);
  GenerateRequest salted = request(length, 2);
  salted.cache_salt = "other";
  reply = channel();
  ASSERT_TRUE(generator().submit(salted, reply));
  EXPECT_EQ(read_all(*reply).back().usage.num_cached_tokens, 0);
}

TEST_P(GeneratorContract, RefusesAtTheDoor) {
  const ModelDescription& d = model_->describe();
  EXPECT_EQ(generator().submit(request(0, 1), channel()).error().kind, ErrorKind::invalid_argument);
  EXPECT_EQ(generator().submit(request(2, d.max_model_len), channel()).error().code,
            "context_length_exceeded");
  GenerateRequest foreign = request(2, 1);
  foreign.prompt[1] = d.vocab_size;
  EXPECT_EQ(generator().submit(foreign, channel()).error().kind, ErrorKind::invalid_argument);
  GenerateRequest late = request(2, 1);
  late.deadline = Clock::now() - std::chrono::milliseconds(1);
  EXPECT_EQ(generator().submit(late, channel()).error().kind, ErrorKind::deadline_exceeded);
}

TEST_P(GeneratorContract, CancelledRequestsGiveEverythingBack) {
  std::mt19937 random(3);
  for (int i = 0; i < 30; ++i) {
    auto reply = channel(random() % 2 ? 2 : 64);
    ASSERT_TRUE(generator().submit(
        request(static_cast<int>(1 + random() % 60), 60, static_cast<unsigned>(random())), reply));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    if (random() % 2) (void)reply->try_pop();
    reply->close();
  }
  EXPECT_TRUE(becomes_idle());
  EXPECT_EQ(generate(request(5, 3)).size(), 3u);
}

TEST_P(GeneratorContract, ManyAtOnceAllFinish) {
  std::vector<std::shared_ptr<TokenChannel>> replies;
  for (int i = 0; i < 24; ++i) {
    replies.push_back(channel());
    ASSERT_TRUE(generator().submit(request(10 + i, 8, static_cast<unsigned>(i)), replies.back()));
  }
  for (auto& reply : replies) {
    const auto events = read_all(*reply);
    ASSERT_EQ(events.size(), 8u);
    EXPECT_EQ(events.back().finish, FinishReason::length);
  }
  EXPECT_TRUE(becomes_idle());
}

TEST_P(GeneratorContract, UnloadingEndsWhatStillRuns) {
  std::vector<std::shared_ptr<TokenChannel>> replies;
  for (int i = 0; i < 4; ++i) {
    replies.push_back(channel());
    ASSERT_TRUE(generator().submit(request(8, 120, static_cast<unsigned>(i)), replies.back()));
  }
  model_.reset();
  for (auto& reply : replies) {
    const auto events = read_all(*reply);
    ASSERT_FALSE(events.empty());
    EXPECT_NE(events.back().finish, FinishReason::none);
    if (events.back().finish == FinishReason::error) {
      EXPECT_EQ(events.back().error.kind, ErrorKind::unavailable);
    }
  }
}

}  // namespace millrace::backends
