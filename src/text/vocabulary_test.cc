#include "text/vocabulary.h"

#include <gtest/gtest.h>

namespace millrace::text {
namespace {

TEST(StringIndex, FindsShortAndLongStrings) {
  TokenStrings strings;
  std::vector<std::string> texts = {"a", std::string("a\0", 2), std::string(1, '\0'), "", "ab"};
  for (int i = 0; i < 3000; ++i) {
    texts.push_back(std::to_string(i));
    texts.push_back("a longer string " + std::to_string(i));
  }
  for (const auto& text : texts) strings.append(text);
  StringIndex index(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) index.insert(strings[i], static_cast<TokenId>(i));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(index.find(texts[i]), static_cast<TokenId>(i)) << texts[i];
  }
  EXPECT_EQ(index.find("3000"), -1);
  EXPECT_EQ(index.find("a longer string 3000"), -1);
  EXPECT_EQ(StringIndex().find("x"), -1);
}

TEST(StringIndex, TheLaterIdOfAStringCounts) {
  StringIndex index(2);
  index.insert("a", 1);
  index.insert("a", 2);
  EXPECT_EQ(index.find("a"), 2);
}

TEST(Vocabulary, KeepsSpellingBytesAndKind) {
  const std::vector<std::string_view> spellings = {"Ġa", "", "<s>"};
  const std::vector<std::string> bytes = {" a", "", "<s>"};
  const auto vocabulary = Vocabulary::build(
      spellings, bytes, {TokenKind::normal, TokenKind::unused, TokenKind::control});
  ASSERT_TRUE(vocabulary);
  EXPECT_EQ(vocabulary->size(), 3u);
  EXPECT_EQ(vocabulary->spelling(0), "Ġa");
  EXPECT_EQ(vocabulary->bytes(0), " a");
  EXPECT_EQ(vocabulary->kind(2), TokenKind::control);
  EXPECT_EQ(vocabulary->find("Ġa"), 0);
  EXPECT_EQ(vocabulary->find(" a"), -1);
  EXPECT_EQ(vocabulary->find(""), -1);  // a gap is no token
  EXPECT_EQ(vocabulary->longest_token_bytes(), 3u);
  EXPECT_FALSE(vocabulary->contains(3));
  EXPECT_FALSE(vocabulary->contains(-1));
}

TEST(Vocabulary, RefusesBrokenTextAndTooMany) {
  const std::vector<std::string_view> broken = {"a", "\xFF"};
  const std::vector<std::string> bytes(2);
  const auto refused = Vocabulary::build(broken, bytes, std::vector<TokenKind>(2));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("token 1"), std::string::npos);
  const std::vector<std::string_view> many(kMaxVocabulary);
  EXPECT_FALSE(Vocabulary::build(many, {}, {}));
}

}  // namespace
}  // namespace millrace::text
