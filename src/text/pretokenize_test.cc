#include "text/pretokenize.h"

#include <gtest/gtest.h>

#include "text/splitters.h"
#include "text/unicode.h"
#include "text/vocab_data_for_test.h"

namespace millrace::text {
namespace {

class Words final : public WordSink {
 public:
  std::vector<std::string> words;

 private:
  void take(std::span<const std::string_view> some) override {
    words.insert(words.end(), some.begin(), some.end());
  }
};

using Strings = std::vector<std::string>;

Strings split(const Splitter& splitter, std::string_view text) {
  Words out;
  if (!text.empty()) splitter.split(text, out);
  out.flush();
  return out.words;
}
Strings split(const Pretokenizer& pretokenizer, std::string_view text) {
  Words out;
  if (!text.empty()) pretokenizer.split(text, out);
  out.flush();
  return out.words;
}
std::string join(const Strings& words) {
  std::string text;
  for (const auto& word : words) text += word;
  return text;
}

std::vector<std::string> many_texts() {
  std::vector<std::string> texts = test::varied_texts();
  for (unsigned seed = 1; seed < 400; ++seed) texts.push_back(test::random_text(seed, 40));
  texts.push_back(test::random_text(7, 20'000));
  return texts;
}

// The same pattern through PCRE2: the group hides it from the list of known ones.
class HandWritten : public testing::TestWithParam<std::string_view> {};

TEST_P(HandWritten, SplitsAsItsPattern) {
  const auto fast = make_known_splitter(GetParam());
  ASSERT_TRUE(fast);
  const std::string hidden = "(?:" + std::string(GetParam()) + ")";
  const auto slow = make_regex_splitter(hidden, SplitBehavior::isolated, false);
  ASSERT_TRUE(slow);
  for (const auto& text : many_texts()) EXPECT_EQ(split(*fast, text), split(**slow, text)) << text;
}
INSTANTIATE_TEST_SUITE_P(Patterns, HandWritten,
                         testing::Values(kGpt2Pattern, kGpt2PatternShort, kLlama3Pattern,
                                         kQwen2Pattern, kQwen35Pattern),
                         [](const auto& tested) {
                           return "pattern" + std::to_string(tested.index);
                         });

TEST(Pretokenize, DigitsThenGpt2IsTheTwoStages) {
  std::vector<std::unique_ptr<Splitter>> stages;
  stages.push_back(make_class_splitter(kNumber, SplitBehavior::isolated));
  stages.push_back(make_gpt2_splitter());
  const Pretokenizer two(std::move(stages));
  const auto one = make_digits_then_gpt2_splitter();
  for (const auto& text : many_texts()) EXPECT_EQ(split(*one, text), split(two, text)) << text;
}

TEST(Pretokenize, EveryNameCoversTheText) {
  for (const char* name : {"default",     "gpt-2",        "mpt",
                           "smollm",      "starcoder",    "refact",
                           "command-r",   "llama3",       "llama-bpe",
                           "dbrx",        "qwen2",        "deepseek-r1-qwen",
                           "qwen35",      "deepseek-llm", "deepseek-coder",
                           "deepseek-v3", "falcon",       "gpt-4o",
                           "tekken",      "bloom",        "viking",
                           "seed-coder",  "bailingmoe",   "superbpe",
                           "chameleon",   "stablelm2",    "olmo"}) {
    const auto pretokenizer = make_named_pretokenizer(name);
    ASSERT_TRUE(pretokenizer) << name << ": " << pretokenizer.error().message;
    for (const auto& text : test::varied_texts()) {
      const Strings words = split(*pretokenizer, text);
      EXPECT_EQ(join(words), text) << name;
      for (const auto& word : words) EXPECT_TRUE(!word.empty() && is_valid_utf8(word)) << name;
    }
  }
  const auto unknown = make_named_pretokenizer("no-such-name");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().param, "tokenizer.ggml.pre");
}

TEST(Pretokenize, BehaviorsOfSplit) {
  const auto by = [](SplitBehavior behavior, bool invert = false) {
    auto splitter = make_regex_splitter("-", behavior, invert);
    EXPECT_TRUE(splitter);
    return split(**splitter, "the-final--countdown-");
  };
  EXPECT_EQ(by(SplitBehavior::removed), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(by(SplitBehavior::isolated),
            (Strings{"the", "-", "final", "-", "-", "countdown", "-"}));
  EXPECT_EQ(by(SplitBehavior::merged_with_previous),
            (Strings{"the-", "final-", "-", "countdown-"}));
  EXPECT_EQ(by(SplitBehavior::merged_with_next),
            (Strings{"the", "-final", "-", "-countdown", "-"}));
  EXPECT_EQ(by(SplitBehavior::contiguous), (Strings{"the", "-", "final", "--", "countdown", "-"}));
  EXPECT_EQ(by(SplitBehavior::removed, true), (Strings{"-", "-", "-", "-"}));
  EXPECT_EQ(split(*make_literal_splitter("--", SplitBehavior::merged_with_next, false), "--a--b"),
            (Strings{"--a", "--b"}));
}

TEST(Pretokenize, EmptyMatchesAreBorders) {
  const auto pretokenizer = make_named_pretokenizer("superbpe");
  ASSERT_TRUE(pretokenizer);
  EXPECT_EQ(split(*pretokenizer, "1234567"), (Strings{"1", "234", "567"}));
}

TEST(Pretokenize, ByteAlphabetStagesSeeStandIns) {
  // ² is the bytes C2 B2, spelt "Â²": the second is a number there.
  const auto splitter =
      make_byte_alphabet_splitter(make_class_splitter(kNumber, SplitBehavior::isolated));
  EXPECT_EQ(split(*splitter,
                  "a\u00b2"
                  "7"),
            (Strings{"a\xC2", "\xB2", "7"}));
}

TEST(Pretokenize, MetaspaceWords) {
  EXPECT_EQ(split(*make_metaspace_word_splitter(), "▁a▁▁bc▁"), (Strings{"▁a", "▁▁bc", "▁"}));
  EXPECT_EQ(split(*make_metaspace_word_splitter(), "x▁"), (Strings{"x", "▁"}));
}

TEST(Pretokenize, NoStagesIsOneWord) {
  EXPECT_EQ(split(Pretokenizer(), "a b"), Strings{"a b"});
}

}  // namespace
}  // namespace millrace::text
