// ModelRunner over a model whose logits say which tokens it was shown, at which positions and in
// which KV slots: wrong arrays give wrong tokens.
#include "engine/model_runner.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "engine/engine.h"
#include "engine/kv_memory.h"
#include "engine/scheduler_harness.h"
#include "kernels/select.h"

namespace millrace::engine {
namespace {

constexpr int kVocab = 300;

// Keeps a running sum of (token + 1) * (position + 1) per KV slot, as SimRunner does with digests;
// the most likely next token is that sum modulo the vocabulary.
class SummingModel final : public models::CausalModel {
 public:
  SummingModel() {
    config_.num_layers = 1;
    config_.num_kv_heads = 1;
    config_.num_heads = 1;
    config_.head_dim = 16;
    config_.vocab_size = kVocab;
  }
  const models::DecoderConfig& config() const override { return config_; }
  void set_observer(models::ActivationObserver*) override {}
  void reserve(kernels::Ops&, int max_tokens, int max_logit_rows) override {
    max_tokens_ = static_cast<std::size_t>(max_tokens);
    max_rows_ = static_cast<std::size_t>(max_logit_rows);
  }
  std::int64_t weight_bytes() const override { return 0; }
  std::int64_t num_parameters() const override { return 0; }
  void forward(kernels::Ops&, const models::ForwardBatch& b, const models::KvCache& kv,
               float* logits) override {
    ASSERT_LE(b.tokens.size(), max_tokens_);
    ASSERT_LE(b.logit_rows.size(), max_rows_);
    auto* memory = static_cast<std::int64_t*>(kv.layers[0]);
    std::vector<std::int64_t> sums(b.tokens.size());
    for (std::size_t s = 0; s + 1 < b.query_start.size(); ++s)
      for (auto t = static_cast<std::size_t>(b.query_start[s]);
           t < static_cast<std::size_t>(b.query_start[s + 1]); ++t) {
        const int position = b.positions[t];
        ASSERT_EQ(position, b.context_len[s] - b.query_start[s + 1] + static_cast<int>(t));
        const auto slot_at = [&](int p) {
          return b.block_table[s * static_cast<std::size_t>(b.block_table_stride) +
                               static_cast<std::size_t>(p / kv.shape.block_tokens)] *
                     kv.shape.block_tokens +
                 p % kv.shape.block_tokens;
        };
        ASSERT_EQ(slot_at(position), b.slots[t]);
        const std::int64_t before = position == 0 ? 0 : memory[slot_at(position - 1)];
        memory[b.slots[t]] = before + std::int64_t{b.tokens[t] + 1} * (position + 1);
        sums[t] = memory[b.slots[t]];
      }
    for (std::size_t r = 0; r < b.logit_rows.size(); ++r) {
      const auto t = static_cast<std::size_t>(b.logit_rows[r]);
      for (int v = 0; v < kVocab; ++v)
        logits[r * kVocab + static_cast<std::size_t>(v)] =
            static_cast<float>(-((v - next(sums[t]) + kVocab) % kVocab)) * 0.1f;
      if (b.tokens[t] == 299) logits[r * kVocab + 5] = NAN;
    }
  }
  static int next(std::int64_t sum) { return static_cast<int>(sum % 290); }

 private:
  models::DecoderConfig config_;
  std::size_t max_tokens_ = 0, max_rows_ = 0;
};

EngineConfig runner_config() {
  EngineConfig config = small_config();
  config.vocab_size = kVocab;
  config.eos_token_ids = {298};
  config.num_blocks = 60;
  config.block_tokens = 16;
  config.max_prompt_logprob_rows = 7;
  return config;
}

std::vector<TokenId> expected_greedy(std::vector<TokenId> tokens, int count) {
  std::int64_t sum = 0;
  std::vector<TokenId> out;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    sum += std::int64_t{tokens[i] + 1} * static_cast<std::int64_t>(i + 1);
  for (int i = 0; i < count; ++i) {
    out.push_back(SummingModel::next(sum));
    tokens.push_back(out.back());
    sum += std::int64_t{tokens.back() + 1} * static_cast<std::int64_t>(tokens.size());
  }
  return out;
}

struct Running {
  explicit Running(EngineConfig config = runner_config()) {
    auto runner = std::make_unique<ModelRunner>(std::make_unique<SummingModel>(),
                                                *kernels::runnable_kernels().front(), pool,
                                                Precision::exact, kernels::KvKind::f32, config);
    engine = std::make_unique<Engine>(config, std::move(runner), metrics);
  }
  std::vector<TokenEvent> generate(GenerateRequest request) {
    auto reply = start(std::move(request));
    return finish(*reply);
  }
  std::shared_ptr<TokenChannel> start(GenerateRequest request) {
    auto reply = std::make_shared<TokenChannel>(1000);
    const Status s = engine->submit(std::move(request), reply);
    EXPECT_TRUE(s) << s.error().message;
    return reply;
  }
  static std::vector<TokenEvent> finish(TokenChannel& reply) {
    std::vector<TokenEvent> events;
    while (auto e = reply.pop_for(std::chrono::seconds(20))) events.push_back(std::move(*e));
    return events;
  }
  ComputePool pool{2};
  Metrics metrics;
  std::unique_ptr<Engine> engine;
};

GenerateRequest greedy(std::vector<TokenId> prompt, int max_tokens) {
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.sampling.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  return request;
}

std::vector<TokenId> prompt_below(int length, int first) {
  std::vector<TokenId> prompt;
  for (int i = 0; i < length; ++i) prompt.push_back((first * 37 + i * 11) % 290);
  return prompt;
}

std::vector<TokenId> tokens_of(const std::vector<TokenEvent>& events) {
  std::vector<TokenId> tokens;
  for (const TokenEvent& e : events) tokens.push_back(e.token);
  return tokens;
}

TEST(ModelRunner, BatchedChunkedPreemptedSequencesGetTheirOwnTokens) {
  EngineConfig config = runner_config();
  config.num_blocks = 30;  // less than ten sequences of up to 90 tokens want
  Running running(config);
  std::vector<std::shared_ptr<TokenChannel>> replies;
  for (int i = 0; i < 10; ++i)
    replies.push_back(running.start(greedy(prompt_below(10 + 5 * i, i), 40)));
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(tokens_of(Running::finish(*replies[static_cast<std::size_t>(i)])),
              expected_greedy(prompt_below(10 + 5 * i, i), 40));
}

TEST(ModelRunner, PromptLogprobsCoverEveryPromptToken) {
  Running running;
  const auto prompt = prompt_below(40, 3);
  GenerateRequest request = greedy(prompt, 3);
  request.sampling.num_prompt_logprobs = 2;
  request.sampling.num_logprobs = 1;
  const auto events = running.generate(request);
  ASSERT_EQ(events.size(), 3u);
  const auto& entries = events[0].prompt_logprobs;
  ASSERT_EQ(entries.size(), prompt.size());
  EXPECT_TRUE(entries[0].empty());
  std::int64_t sum = 0;
  double normaliser = 0;
  for (int v = 0; v < kVocab; ++v) normaliser += std::exp(-0.1 * v);
  for (std::size_t i = 1; i < prompt.size(); ++i) {
    sum += std::int64_t{prompt[i - 1] + 1} * static_cast<std::int64_t>(i);
    const int best = SummingModel::next(sum);
    ASSERT_EQ(entries[i].size(), 3u);
    EXPECT_EQ(entries[i][0].token, prompt[i]);
    EXPECT_EQ(entries[i][0].rank, (prompt[i] - best + kVocab) % kVocab);
    EXPECT_NEAR(entries[i][0].logprob, -0.1 * entries[i][0].rank - std::log(normaliser), 1e-4);
    EXPECT_EQ(entries[i][1].token, best);
    EXPECT_EQ(entries[i][1].rank, 0);
  }
  EXPECT_TRUE(events[1].prompt_logprobs.empty());
  ASSERT_EQ(events[1].top_logprobs.size(), 1u);
  EXPECT_NEAR(events[1].logprob, -std::log(normaliser), 1e-4);
}

TEST(ModelRunner, NonFiniteLogitsFailOnlyTheirSequence) {
  Running running;
  auto good = running.start(greedy(prompt_below(20, 1), 30));
  auto prompt = prompt_below(20, 2);
  prompt.back() = 299;
  const auto bad = running.generate(greedy(prompt, 30));
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_EQ(bad[0].error.kind, ErrorKind::internal);
  EXPECT_EQ(tokens_of(Running::finish(*good)), expected_greedy(prompt_below(20, 1), 30));
}

TEST(ModelRunner, UnseededRequestsDiffer) {
  Running running;
  GenerateRequest request = greedy(prompt_below(20, 1), 30);
  request.sampling.temperature = 5;
  EXPECT_NE(tokens_of(running.generate(request)), tokens_of(running.generate(request)));
}

TEST(ModelRunner, TwoEnginesShareAPool) {
  ComputePool pool(2);
  Metrics metrics;
  const EngineConfig config = runner_config();
  const auto make = [&] {
    return std::make_unique<Engine>(
        config,
        std::make_unique<ModelRunner>(std::make_unique<SummingModel>(),
                                      *kernels::runnable_kernels().front(), pool, Precision::exact,
                                      kernels::KvKind::f32, config),
        metrics);
  };
  const auto a = make(), b = make();
  std::vector<std::shared_ptr<TokenChannel>> replies;
  for (int i = 0; i < 8; ++i) {
    replies.push_back(std::make_shared<TokenChannel>(100));
    ASSERT_TRUE((i % 2 ? a : b)->submit(greedy(prompt_below(20, i), 40), replies.back()));
  }
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(tokens_of(Running::finish(*replies[static_cast<std::size_t>(i)])),
              expected_greedy(prompt_below(20, i), 40));
}

TEST(KvMemory, HoldsTheBlocksItWasAskedFor) {
  const kernels::Kernels& table = *kernels::runnable_kernels().front();
  const kernels::KvShape shape{
      .kind = kernels::KvKind::f32, .block_tokens = 16, .kv_heads = 2, .head_dim = 8};
  const KvMemory memory(table, shape, 3, 5);
  EXPECT_EQ(memory.bytes(), 5 * kv_bytes_per_block(table, shape, 3));
  EXPECT_EQ(memory.cache().layers.size(), 3u);
  EXPECT_GE(kv_bytes_per_block(table, shape, 1), 2 * 16 * 2 * 8 * 4);
}

}  // namespace
}  // namespace millrace::engine
