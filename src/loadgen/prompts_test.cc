#include "loadgen/prompts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace millrace::loadgen {
namespace {

// Every byte a token, behind a template of 7.
Result<int> count_bytes(const std::string& text) {
  return static_cast<int>(text.size()) + 7;
}
// Every space-separated word a token, punctuation its own; BOS.
Result<int> count_words(const std::string& text) {
  const auto marks = std::ranges::count_if(text, [](char c) { return c == ' ' || c == '.'; });
  return static_cast<int>(marks) + 2;
}

TEST(Prompts, are_exact_for_byte_tokens) {
  const auto maker = PromptMaker::calibrate(&count_bytes);
  ASSERT_TRUE(maker);
  EXPECT_TRUE(maker->sums_hold());
  Random random(5);
  for (int tokens = maker->shortest(); tokens < 300; ++tokens) {
    const auto made = maker->make(tokens, random);
    EXPECT_EQ(made.tokens, tokens);
    EXPECT_EQ(*count_bytes(made.text), tokens) << made.text;
  }
}

TEST(Prompts, are_exact_for_word_tokens_and_cheap_to_learn) {
  int asked = 0;
  const auto maker = PromptMaker::calibrate([&](const std::string& text) {
    ++asked;
    return count_words(text);
  });
  ASSERT_TRUE(maker);
  EXPECT_LE(asked, 10);
  Random random(5);
  for (const int tokens : {2, 3, 17, 128, 2000}) {
    EXPECT_EQ(*count_words(maker->make(tokens, random).text), tokens);
  }
}

TEST(Prompts, differ_but_share_their_prefix) {
  const auto maker = PromptMaker::calibrate(&count_words);
  ASSERT_TRUE(maker);
  std::set<std::string> texts, prefixes;
  Random random(5);
  for (int i = 0; i < 20; ++i) {
    Random prefix(99);
    const auto made = maker->make(60, random, 40, prefix);
    EXPECT_EQ(*count_words(made.text), 60);
    texts.insert(made.text);
    std::size_t end = 0;
    for (int word = 0; word <= 40; ++word) end = made.text.find(' ', end + 1);
    prefixes.insert(made.text.substr(0, end));
  }
  EXPECT_EQ(texts.size(), 20U);
  EXPECT_EQ(prefixes.size(), 1U);
}

TEST(Prompts, say_when_sums_do_not_hold) {
  // Every tenth space costs nothing: such a tokenizer cannot be counted by parts.
  const auto maker = PromptMaker::calibrate([](const std::string& text) -> Result<int> {
    const auto spaces = static_cast<int>(std::ranges::count(text, ' '));
    return 3 + spaces - (spaces > 100 ? 5 : 0);
  });
  ASSERT_TRUE(maker);
  EXPECT_FALSE(maker->sums_hold());
}

TEST(Prompts, a_failing_server_is_told) {
  const auto maker = PromptMaker::calibrate(
      [](const std::string&) -> Result<int> { return fail(ErrorKind::unavailable, "gone"); });
  ASSERT_FALSE(maker);
  EXPECT_EQ(maker.error().message, "gone");
}

}  // namespace
}  // namespace millrace::loadgen
