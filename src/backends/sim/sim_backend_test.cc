#include "backends/sim/sim_backend.h"

#include <gtest/gtest.h>

#include "backends/sim/sim_text.h"

namespace millrace::backends {
namespace {

ModelSpec spec_of(std::map<std::string, std::string> sim) {
  ModelSpec spec;
  spec.name = "sim";
  spec.sim = std::move(sim);
  return spec;
}

Result<std::unique_ptr<Servable>> load(const ModelSpec& spec, Metrics& metrics) {
  LoadContext context{.metrics = metrics, .progress = {}};
  return SimBackend().load(spec, context);
}

TEST(SimBackend, RefusesWhatItDoesNotUnderstand) {
  Metrics metrics;
  EXPECT_EQ(load(spec_of({{"step_mss", "1"}}), metrics).error().param, "step_mss");
  EXPECT_EQ(load(spec_of({{"step_ms", "fast"}}), metrics).error().param, "step_ms");
  EXPECT_EQ(load(spec_of({{"step_ms", "nan"}}), metrics).error().param, "step_ms");
  EXPECT_EQ(load(spec_of({{"blocks", "0"}}), metrics).error().param, "blocks");
  EXPECT_EQ(load(spec_of({{"blocks", "1e9"}}), metrics).error().param, "blocks");
}

double num_steps(const Metrics& metrics) {
  double steps = 0;
  for (const MetricSample& sample : metrics.samples("millrace_step_seconds"))
    for (const std::uint64_t count : sample.counts) steps += static_cast<double>(count);
  return steps;
}

// 8 sequences, 5 ms a step: 1,600 tokens a second and no more.
TEST(SimBackend, HasExactlyTheCapacityItSays) {
  Metrics metrics;
  auto model = load(spec_of({{"step_ms", "5"}, {"max_batch", "8"}}), metrics);
  ASSERT_TRUE(model);
  std::vector<std::shared_ptr<TokenChannel>> replies;
  const TimePoint begin = Clock::now();
  for (int i = 0; i < 32; ++i) {
    GenerateRequest request;
    request.prompt = {'h', 'i', static_cast<TokenId>('a' + i % 26)};
    request.sampling.max_tokens = 20;
    request.sampling.ignore_eos = true;
    replies.push_back(std::make_shared<TokenChannel>(64));
    ASSERT_TRUE((*model)->generator()->submit(request, replies.back()));
  }
  int num_tokens = 0;
  for (auto& reply : replies)
    while (reply->pop_for(std::chrono::seconds(5))) ++num_tokens;
  const double seconds = seconds_between(begin, Clock::now());
  model->reset();  // a step is counted after its tokens were given out
  EXPECT_EQ(num_tokens, 640);
  EXPECT_GE(seconds, 0.4);  // 80 steps of 8 tokens
  EXPECT_GE(num_steps(metrics), 80);
  EXPECT_LE(num_steps(metrics), 120) << "the first may be small: not all requests are there yet";
}

TEST(SimText, SpeaksLowerCaseWordsOverAByteVocabulary) {
  const TextAssets text = sim_text_assets();
  ASSERT_EQ(text.tokens.size(), static_cast<std::size_t>(kSimVocabSize));
  EXPECT_EQ(text.tokens['a'], "a");
  EXPECT_EQ(text.tokens[' '], "\xC4\xA0");   // U+0120
  EXPECT_EQ(text.tokens['\n'], "\xC4\x8A");  // U+010A
  EXPECT_EQ(text.tokens[static_cast<std::size_t>(kSimEndOfText)], "<|endoftext|>");
  for (const TokenId token : sim_alphabet())
    EXPECT_TRUE(token == ' ' || (token >= 'a' && token <= 'z'));
}

}  // namespace
}  // namespace millrace::backends
