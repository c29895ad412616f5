// The sampler against a naive one in double precision that sorts the whole vocabulary.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

namespace millrace::engine {
namespace {

using Logits = std::vector<float>;

kernels::RowStats stats_of(const Logits& x) {
  kernels::RowStats s{.max = -INFINITY, .argmax = 0, .log_sum_exp = 0};
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i] > s.max) s = {x[i], static_cast<int>(i), 0};
  double sum = 0;
  for (const float v : x) sum += std::exp(static_cast<double>(v) - s.max);
  s.log_sum_exp = static_cast<float>(s.max + std::log(sum));
  return s;
}

Logits random_logits(std::size_t n, unsigned seed, float spread = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  Logits x(n);
  for (float& v : x) v = normal(random);
  return x;
}

// Probabilities as the definitions say, over all tokens.
std::vector<double> naive_distribution(const Logits& raw, const SamplingParams& p,
                                       const std::vector<TokenId>& prompt,
                                       const std::vector<TokenId>& output,
                                       const std::vector<TokenId>& eos) {
  const std::size_t n = raw.size();
  std::vector<double> x(raw.begin(), raw.end());
  if (!p.allowed_token_ids.empty())
    for (std::size_t i = 0; i < n; ++i)
      if (std::ranges::find(p.allowed_token_ids, static_cast<TokenId>(i)) ==
          p.allowed_token_ids.end())
        x[i] = -INFINITY;
  for (const auto& [token, bias] : p.logit_bias) x[static_cast<std::size_t>(token)] += bias;
  if (static_cast<int>(output.size()) < p.min_tokens) {
    for (const TokenId t : eos) x[static_cast<std::size_t>(t)] = -INFINITY;
    for (const TokenId t : p.stop_token_ids) x[static_cast<std::size_t>(t)] = -INFINITY;
  }
  std::map<TokenId, int> counts;
  for (const TokenId t : prompt) counts[t] += 0;
  for (const TokenId t : output) ++counts[t];
  for (const auto& [t, c] : counts) {
    double& v = x[static_cast<std::size_t>(t)];
    v = v > 0 ? v / p.repetition_penalty : v * p.repetition_penalty;
    v -= static_cast<double>(p.frequency_penalty) * c + (c > 0 ? p.presence_penalty : 0);
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return x[a] > x[b]; });
  std::vector<double> weight(n, 0);
  if (p.temperature == 0) {
    weight[order[0]] = 1;
    return weight;
  }
  const double max = x[order[0]];
  double total = 0;
  for (std::size_t r = 0; r < n; ++r) {
    const double w = std::exp((x[order[r]] - max) / p.temperature);
    if (p.top_k > 0 && r >= static_cast<std::size_t>(p.top_k)) break;
    if (w < p.min_p) break;
    weight[order[r]] = w;
    total += w;
  }
  double held = 0;
  bool reached = false;
  for (const std::size_t i : order) {
    if (reached) weight[i] = 0;
    held += weight[i];
    if (held >= p.top_p * total) reached = true;
  }
  total = std::accumulate(weight.begin(), weight.end(), 0.0);
  for (double& w : weight) w /= total;
  return weight;
}

TokenId draw(const Logits& logits, const SamplingParams& p, std::uint64_t seed,
             SamplerScratch& scratch, const std::vector<TokenId>& prompt = {},
             const std::vector<TokenId>& eos = {}) {
  Logits row = logits;
  Sampler sampler(prompt, p, eos, seed);
  SampledToken out;
  sampler.sample(row, stats_of(logits), scratch, out);
  EXPECT_FALSE(out.failed);
  return out.token;
}

// Pearson's chi-square of many draws, small expectations pooled; also that nothing outside is
// drawn.
void expect_distribution(const Logits& logits, const SamplingParams& p, int num_draws,
                         const char* what) {
  const std::vector<double> expected = naive_distribution(logits, p, {}, {}, {});
  std::vector<int> seen(logits.size(), 0);
  SamplerScratch scratch;
  const kernels::RowStats stats = stats_of(logits);
  for (int i = 0; i < num_draws; ++i) {
    Logits row = logits;
    Sampler sampler({}, p, {}, static_cast<std::uint64_t>(i) + 1000);
    SampledToken out;
    sampler.sample(row, stats, scratch, out);
    ++seen[static_cast<std::size_t>(out.token)];
  }
  double chi = 0, pooled_expected = 0, pooled_seen = 0;
  int degrees = -1;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == 0) {
      EXPECT_EQ(seen[i], 0) << what << ": drew token " << i << " outside the support";
      continue;
    }
    const double e = expected[i] * num_draws;
    if (e < 10) {
      pooled_expected += e;
      pooled_seen += seen[i];
      continue;
    }
    chi += (seen[i] - e) * (seen[i] - e) / e;
    ++degrees;
  }
  if (pooled_expected > 0) {
    chi += (pooled_seen - pooled_expected) * (pooled_seen - pooled_expected) / pooled_expected;
    ++degrees;
  }
  if (degrees < 1) return;
  // Wilson–Hilferty: about four standard deviations.
  const double d = degrees;
  const double bound = d * std::pow(1 - 2 / (9 * d) + 4 * std::sqrt(2 / (9 * d)), 3);
  EXPECT_LT(chi, bound) << what << ", degrees " << degrees;
}

TEST(Sampler, DrawsFromTheDistributionItsSettingsDefine) {
  const Logits logits = random_logits(350, 5);
  struct Case {
    const char* name;
    float temperature, top_p, min_p;
    int top_k;
  };
  for (const Case& c :
       {Case{"plain", 1, 1, 0, 0}, Case{"hot", 1.7f, 1, 0, 0}, Case{"cold", 0.3f, 1, 0, 0},
        Case{"top_k", 1, 1, 0, 20}, Case{"top_p", 1, 0.8f, 0, 0}, Case{"top_p hot", 3, 0.95f, 0, 0},
        Case{"top_p tiny", 1, 0.01f, 0, 0}, Case{"min_p", 1, 1, 0.1f, 0},
        Case{"all", 1.2f, 0.9f, 0.02f, 50}, Case{"top_k 1", 1, 1, 0, 1},
        Case{"k and p", 0.8f, 0.7f, 0, 40}}) {
    SamplingParams p;
    p.temperature = c.temperature;
    p.top_p = c.top_p;
    p.min_p = c.min_p;
    p.top_k = c.top_k;
    expect_distribution(logits, p, 12000, c.name);
  }
}

TEST(Sampler, ChiSquareWouldNoticeAWrongTemperature) {
  const Logits logits = random_logits(700, 5);
  SamplingParams drawn, assumed;
  drawn.temperature = 1.05f;
  const std::vector<double> expected = naive_distribution(logits, assumed, {}, {}, {});
  std::vector<int> seen(logits.size(), 0);
  SamplerScratch scratch;
  for (std::uint64_t i = 0; i < 30000; ++i)
    ++seen[static_cast<std::size_t>(draw(logits, drawn, i, scratch))];
  double chi = 0;
  int degrees = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = expected[i] * 30000;
    if (e < 10) continue;
    chi += (seen[i] - e) * (seen[i] - e) / e;
    ++degrees;
  }
  EXPECT_GT(chi, degrees + 6 * std::sqrt(2.0 * degrees));
}

// Modified logits shape the distribution exactly as the naive formulas do: with greedy decoding the
// argmax must agree, over many random settings and histories.
TEST(Sampler, GreedyAgreesWithTheNaiveFormulas) {
  std::mt19937 random(11);
  SamplerScratch scratch;
  for (int round = 0; round < 400; ++round) {
    const Logits logits = random_logits(120, static_cast<unsigned>(round), 2);
    SamplingParams p;
    p.temperature = 0;
    p.max_tokens = 20;
    p.repetition_penalty = 0.5f + 0.1f * static_cast<float>(random() % 15);
    p.presence_penalty = 0.25f * static_cast<float>(random() % 9) - 1;
    p.frequency_penalty = 0.25f * static_cast<float>(random() % 9) - 1;
    p.min_tokens = static_cast<int>(random() % 10);
    p.stop_token_ids = {static_cast<TokenId>(random() % 120)};
    if (random() % 2) p.logit_bias = {{static_cast<TokenId>(random() % 120), 3.0f}, {5, -100.0f}};
    if (random() % 4 == 0)
      for (int i = 0; i < 30; ++i)
        p.allowed_token_ids.push_back(static_cast<TokenId>(random() % 120));
    std::vector<TokenId> prompt, output;
    const std::vector<TokenId> eos{7, 9};
    for (int i = 0; i < 15; ++i) prompt.push_back(static_cast<TokenId>(random() % 120));
    Sampler sampler(prompt, p, eos, 1);
    for (int i = 0; i < 20; ++i) {
      Logits row = logits;
      SampledToken out;
      sampler.sample(row, stats_of(logits), scratch, out);
      const auto expected = naive_distribution(logits, p, prompt, output, eos);
      ASSERT_EQ(expected[static_cast<std::size_t>(out.token)], 1.0) << "round " << round;
      output.push_back(out.token);
    }
  }
}

TEST(Sampler, LogprobsAreOfTheRawDistribution) {
  const Logits logits = random_logits(5000, 3);
  SamplingParams p;
  p.temperature = 0.7f;
  p.top_k = 5;
  p.num_logprobs = 20;
  p.logit_bias = {{17, 50.0f}};
  Logits row = logits;
  const kernels::RowStats stats = stats_of(logits);
  Sampler sampler({}, p, {}, 1);
  SamplerScratch scratch;
  SampledToken out;
  sampler.sample(row, stats, scratch, out);
  EXPECT_EQ(out.token, 17);
  EXPECT_NEAR(out.logprob, logits[17] - stats.log_sum_exp, 1e-6);
  ASSERT_EQ(out.top_logprobs.size(), 20u);
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](auto a, auto b) { return logits[a] > logits[b]; });
  for (int i = 0; i < 20; ++i) {
    const TokenLogprob& top = out.top_logprobs[static_cast<std::size_t>(i)];
    EXPECT_EQ(static_cast<std::size_t>(top.token), order[static_cast<std::size_t>(i)]);
    EXPECT_EQ(top.rank, i);
    EXPECT_NEAR(top.logprob, logits[order[static_cast<std::size_t>(i)]] - stats.log_sum_exp, 1e-6);
  }
  std::vector<Candidate> candidates;
  const auto entry =
      prompt_logprobs(logits, stats.log_sum_exp, static_cast<TokenId>(order[100]), 2, candidates);
  ASSERT_EQ(entry.size(), 3u);
  EXPECT_EQ(entry[0].rank, 100);
  EXPECT_EQ(entry[1].rank, 0);
}

TEST(Sampler, TiesGoToTheLowerIndex) {
  Logits logits(100, 1.0f);
  SamplerScratch scratch;
  SamplingParams p;
  p.temperature = 0;
  EXPECT_EQ(draw(logits, p, 1, scratch), 0);
  p.logit_bias = {{0, -1.0f}};
  EXPECT_EQ(draw(logits, p, 1, scratch), 1);
  EXPECT_EQ(rank_of(logits, 40), 40);
  std::vector<Candidate> top;
  gather_top(logits, 3, top);
  std::ranges::sort(top, likelier);
  EXPECT_EQ(top[2].token, 2);
}

TEST(Sampler, SeedDecidesAndDrawsDiffer) {
  const Logits logits = random_logits(1000, 9, 1);
  SamplingParams p;
  p.seed = 5;
  SamplerScratch scratch;
  std::vector<TokenId> a, b;
  for (std::vector<TokenId>* out : {&a, &b}) {
    Sampler sampler({}, p, {}, static_cast<std::uint64_t>(out == &a));
    for (int i = 0; i < 50; ++i) {
      Logits row = logits;
      SampledToken token;
      sampler.sample(row, stats_of(logits), scratch, token);
      out->push_back(token.token);
    }
  }
  EXPECT_EQ(a, b);
  EXPECT_GT(std::ranges::count_if(a, [&](TokenId t) { return t != a[0]; }), 40);
}

TEST(Sampler, NonFiniteLogitsFailTheSequence) {
  for (const float bad : {NAN, INFINITY}) {
    Logits logits = random_logits(64, 1);
    logits[20] = bad;
    kernels::RowStats stats = stats_of(logits);
    SamplingParams p;
    Sampler sampler({}, p, {}, 1);
    SamplerScratch scratch;
    SampledToken out;
    sampler.sample(logits, stats, scratch, out);
    EXPECT_TRUE(out.failed);
  }
}

TEST(Sampler, OnlyStopTokensAllowedStillDraws) {
  const Logits logits = random_logits(64, 1);
  SamplingParams p;
  p.min_tokens = 5;
  p.allowed_token_ids = {7};
  SamplerScratch scratch;
  EXPECT_EQ(draw(logits, p, 1, scratch, {}, {7}), 7);
}

TEST(LogitsScan, FastExpIsAccurate) {
  for (float x = 0; x > -90; x -= 0.0137f) {
    const double exact = std::exp(static_cast<double>(x));
    if (x > -86) {
      EXPECT_NEAR(fast_exp(x) / exact, 1.0, 5e-6) << x;
    }
    EXPECT_GE(fast_exp(x), 0.0f);
  }
  EXPECT_EQ(fast_exp(-INFINITY), 0.0f);
  EXPECT_EQ(fast_exp(0.0f), 1.0f);
}

TEST(LogitsScan, GatherTopEqualsASort) {
  for (const std::size_t n : {1u, 15u, 16u, 17u, 1000u, 4099u})
    for (const int k : {1, 3, 64, 500}) {
      const Logits logits = random_logits(n, static_cast<unsigned>(n) + static_cast<unsigned>(k));
      std::vector<Candidate> top;
      gather_top(logits, k, top);
      std::ranges::sort(top, likelier);
      Logits sorted = logits;
      std::ranges::sort(sorted, std::greater<>());
      ASSERT_EQ(top.size(), std::min(n, static_cast<std::size_t>(k)));
      for (std::size_t i = 0; i < top.size(); ++i) EXPECT_EQ(top[i].logit, sorted[i]);
    }
}

}  // namespace
}  // namespace millrace::engine
