#include "text/added_tokens.h"

#include <gtest/gtest.h>

#include <random>

namespace millrace::text {
namespace {

AddedTokens build(std::vector<AddedToken> tokens) {
  auto built = AddedTokens::build(std::move(tokens));
  EXPECT_TRUE(built) << built.error().message;
  return built ? std::move(*built) : AddedTokens();
}

// "ab[7]cd": the text with each token's id in its place.
std::string marked(const AddedTokens& tokens, std::string_view text, bool parse_special = true) {
  std::string out;
  std::size_t done = 0;
  while (const auto match = tokens.find(text, done, parse_special)) {
    out += text.substr(done, match->begin - done);
    out += "[" + std::to_string(match->id) + "]";
    done = match->end;
  }
  return out + std::string(text.substr(done));
}

TEST(AddedTokens, LeftmostThenLongest) {
  const AddedTokens tokens = build({{.content = "<|a|>", .id = 1},
                                    {.content = "<|ab|>", .id = 2},
                                    {.content = "<|", .id = 3},
                                    {.content = "b|><", .id = 4}});
  EXPECT_EQ(marked(tokens, "x<|a|>y<|ab|>z<|q"), "x[1]y[2]z[3]q");
  EXPECT_EQ(marked(tokens, "<|b|><|"), "[3][4]|");
  EXPECT_EQ(marked(tokens, ""), "");
  EXPECT_EQ(marked(AddedTokens(), "<|a|>"), "<|a|>");
}

TEST(AddedTokens, AgreeWithLookingEverywhere) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<AddedToken> list;
    for (std::size_t i = 0, count = 1 + random() % 6; i < count; ++i) {
      std::string content(1 + random() % 5, 'a');
      for (char& c : content) c = static_cast<char>('a' + random() % 2);
      list.push_back({.content = content, .id = static_cast<TokenId>(i)});
    }
    std::string text(random() % 40, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    std::string expected;
    for (std::size_t at = 0; at < text.size();) {
      const AddedToken* best = nullptr;
      for (const auto& token : list) {
        const bool here = std::string_view(text).substr(at).starts_with(token.content);
        if (here && (!best || token.content.size() >= best->content.size())) best = &token;
      }
      expected += best ? "[" + std::to_string(best->id) + "]" : std::string(1, text[at]);
      at += best ? best->content.size() : 1;
    }
    EXPECT_EQ(marked(build(list), text), expected);
  }
}

TEST(AddedTokens, SpecialOnesCanBeText) {
  const AddedTokens tokens =
      build({{.content = "<s>", .id = 1, .special = true}, {.content = "  ", .id = 2}});
  EXPECT_EQ(marked(tokens, "a<s>  b"), "a[1][2]b");
  EXPECT_EQ(marked(tokens, "a<s>  b", false), "a<s>[2]b");
}

TEST(AddedTokens, StripsAndSingleWords) {
  const AddedTokens tokens = build({{.content = "<l>", .id = 1, .lstrip = true},
                                    {.content = "<r>", .id = 2, .rstrip = true},
                                    {.content = "word", .id = 3, .single_word = true}});
  EXPECT_EQ(marked(tokens, "a \u3000<l> b"), "a[1] b");
  EXPECT_EQ(marked(tokens, "a <r> \u2003\nb"), "a [2]b");
  EXPECT_EQ(marked(tokens, "<r>  <l>  "), "[2][1]  ");
  EXPECT_EQ(marked(tokens, "word words sword _word é\u0301word (word)"),
            "[3] words sword _word é\u0301word ([3])");
}

TEST(AddedTokens, Limits) {
  EXPECT_FALSE(AddedTokens::build({{.content = "", .id = 1}}));
  EXPECT_FALSE(AddedTokens::build({{.content = "\xFF", .id = 1}}));
  EXPECT_FALSE(AddedTokens::build({{.content = std::string(5000, 'a'), .id = 1}}));
  EXPECT_FALSE(AddedTokens::build(std::vector<AddedToken>(70'000, {.content = "a"})));
  std::vector<AddedToken> many;
  for (int i = 0; i < 2000; ++i) {
    many.push_back({.content = std::to_string(i) + std::string(4000, 'a'), .id = i});
  }
  EXPECT_FALSE(AddedTokens::build(std::move(many)));
}

}  // namespace
}  // namespace millrace::text
