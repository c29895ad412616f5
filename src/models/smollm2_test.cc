// The real SmolLM2-135M-Instruct (Q4_1): log-probabilities and greedy tokens against transformers
// on the same dequantised weights. Looks for the file in $MILLRACE_MODELS, then in the checkout's
// models/ folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "models/forward_rig.h"
#include "models/tiny_models.h"
#include "weights/weight_file.h"

namespace millrace::models {
namespace {

constexpr const char* kFile = "SmolLM2-135M-Instruct.Q4_1.gguf";

std::filesystem::path find_model() {
  const char* named = std::getenv("MILLRACE_MODELS");
  const std::filesystem::path root =
      named ? std::filesystem::path(named) : std::filesystem::path(MILLRACE_SOURCE_DIR) / "models";
  for (const auto& path : {root / kFile, root / "smollm2-135m-instruct" / kFile}) {
    std::error_code ec;
    if (std::filesystem::is_regular_file(path, ec)) return path;
  }
  return {};
}

bool slow_tests() {
  const char* value = std::getenv("MILLRACE_SLOW");
  return value && std::string_view(value) != "0";
}

class SmolLm2 : public testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path path = find_model();
    if (path.empty()) GTEST_SKIP() << "no " << kFile << ": set MILLRACE_MODELS to its folder";
    auto opened = weights::open_gguf(path);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    weights_ = *std::move(opened);
  }
  ModelFiles files() const { return {*weights_, {}}; }

  std::unique_ptr<weights::WeightFile> weights_;
};

TEST_F(SmolLm2, ConfigIsThatOfTheFile) {
  const auto config = read_decoder_config(files());
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->family, "llama");
  EXPECT_EQ(config->num_layers, 30);
  EXPECT_EQ(config->hidden_size, 576);
  EXPECT_EQ(config->num_heads, 9);
  EXPECT_EQ(config->num_kv_heads, 3);
  EXPECT_EQ(config->vocab_size, 49152);
  EXPECT_EQ(config->max_position, 8192);
  EXPECT_TRUE(config->tied_embeddings);
  EXPECT_EQ(config->eos_token_ids, std::vector<std::int32_t>{2});
}

// One prompt keeps the usual run short; MILLRACE_SLOW=1 runs all ten with 100 tokens each.
TEST_F(SmolLm2, ExactLogProbsAndGreedyTokensAreTransformers) {
  const json::object golden = read_golden("smollm2_q4_1");
  ForwardRig rig({.kernels = "auto", .precision = Precision::exact});
  const Status loaded = rig.load(files());
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  double worst = 0;
  int compared = 0;
  for (const json::value& value : golden.at("prompts").as_array()) {
    const json::object& prompt = value.as_object();
    const std::vector<std::int32_t> ids = golden_ids(prompt, "ids");
    std::vector<int> wanted;
    const std::vector<GoldenRow> rows = golden_rows(prompt);
    for (const GoldenRow& row : rows) wanted.push_back(row.position);
    const auto logits = rig.step({{0, ids, wanted}});
    rig.forget(0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::vector<double> ours = log_softmax(logits[i]);
      for (std::size_t j = 0; j < rows[i].ids.size(); ++j) {
        const double difference =
            std::fabs(ours[static_cast<std::size_t>(rows[i].ids[j])] - rows[i].log_probs[j]);
        EXPECT_LE(difference, 2e-3);
        worst = std::max(worst, difference);
      }
    }
    std::vector<std::int32_t> expected = golden_ids(prompt, "greedy");
    if (!slow_tests()) expected.resize(8);
    EXPECT_EQ(rig.greedy(ids, static_cast<int>(expected.size())), expected)
        << std::string(prompt.at("text").as_string());
    ++compared;
    if (!slow_tests() && compared == 2) break;
  }
  std::printf("%d prompts, largest difference of log-probabilities %.2e\n", compared, worst);
}

struct Divergence {
  double kl = 0, exact_nll = 0, standard_nll = 0;  // sums
  int same_top = 0, count = 0;

  void add(std::span<const float> exact, std::span<const float> standard, std::int32_t next) {
    const std::vector<double> p = log_softmax(exact), q = log_softmax(standard);
    for (std::size_t i = 0; i < p.size(); ++i) kl += std::exp(p[i]) * (p[i] - q[i]);
    exact_nll -= p[static_cast<std::size_t>(next)];
    standard_nll -= q[static_cast<std::size_t>(next)];
    const auto top = [](const auto& x) { return std::max_element(x.begin(), x.end()) - x.begin(); };
    same_top += top(p) == top(q);
    ++count;
  }
  void print(const std::string& name) const {
    std::printf("%-40s mean KL %.2e  top-1 agreement %.2f %%  perplexity %.4f exact, %+.3f %%\n",
                name.c_str(), kl / count, 100.0 * same_top / count, std::exp(exact_nll / count),
                100 * (std::exp((standard_nll - exact_nll) / count) - 1));
  }
};

// What the default precision costs on real text, against the exact one: when prompts are read in
// chunks of 128, and when tokens are fed one by one as in decoding.
TEST_F(SmolLm2, DefaultPrecisionIsNearExact) {
  if (!slow_tests()) GTEST_SKIP() << "takes minutes: set MILLRACE_SLOW=1";
  const json::object golden = read_golden("smollm2_texts");
  ForwardRig exact({.kernels = "auto", .precision = Precision::exact});
  ForwardRig standard(
      {.kernels = "auto", .precision = Precision::standard, .kv_kind = kernels::KvKind::bf16});
  ASSERT_TRUE(exact.load(files()).has_value());
  ASSERT_TRUE(standard.load(files()).has_value());
  for (const std::size_t chunk : {std::size_t{128}, std::size_t{1}}) {
    Divergence all;
    for (const json::value& piece : golden.at("pieces").as_array()) {
      const std::vector<std::int32_t> ids = golden_ids(piece.as_object(), "ids");
      Divergence own;
      for (std::size_t begin = 0; begin + 1 < ids.size(); begin += chunk) {
        const std::size_t end = std::min(begin + chunk, ids.size() - 1);
        ForwardRig::Chunk next{.sequence = 0,
                               .tokens = {ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                          ids.begin() + static_cast<std::ptrdiff_t>(end)},
                               .rows = {}};
        for (std::size_t i = begin; i < end; ++i) next.rows.push_back(static_cast<int>(i - begin));
        const auto expected = exact.step({next});
        const auto actual = standard.step({next});
        for (std::size_t i = begin; i < end; ++i) {
          own.add(expected[i - begin], actual[i - begin], ids[i + 1]);
          all.add(expected[i - begin], actual[i - begin], ids[i + 1]);
        }
      }
      exact.forget(0);
      standard.forget(0);
      own.print(std::string(piece.at("name").as_string()));
    }
    all.print(chunk == 1 ? "all, token by token" : "all, in chunks");
    EXPECT_LE(all.kl / all.count, 5e-4);
    EXPECT_NEAR(std::exp((all.standard_nll - all.exact_nll) / all.count), 1.0, 3e-3);
  }
}

}  // namespace
}  // namespace millrace::models
