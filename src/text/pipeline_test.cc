#include "text/pipeline.h"

#include <gtest/gtest.h>

namespace millrace::text {
namespace {

// Each word is the token of its length in bytes.
class LengthModel final : public TokenModel {
 public:
  void encode(std::span<const std::string_view> words, std::vector<TokenId>& out) const override {
    for (const auto word : words) out.push_back(static_cast<TokenId>(word.size()));
  }
};

TokenizerParts parts_with(std::vector<AddedToken> raw, std::vector<AddedToken> normalized = {}) {
  auto vocabulary = Vocabulary::build({}, {}, {});
  auto raw_tokens = AddedTokens::build(std::move(raw));
  auto normalized_tokens = AddedTokens::build(std::move(normalized));
  EXPECT_TRUE(vocabulary && raw_tokens && normalized_tokens);
  return {.vocabulary = std::make_unique<Vocabulary>(std::move(*vocabulary)),
          .raw_tokens = std::move(*raw_tokens),
          .normalized_tokens = std::move(*normalized_tokens),
          .model = std::make_unique<LengthModel>()};
}

using Ids = std::vector<TokenId>;

TEST(Pipeline, AddedTokensBeforeAndAfterTheNormalizer) {
  TokenizerParts parts =
      parts_with({{.content = "<R>", .id = 100}}, {{.content = "<n>", .id = 200}});
  auto lower = Normalizer::build({{.kind = NormalizerStep::Kind::lower_case}});
  ASSERT_TRUE(lower);
  parts.normalizer = std::move(*lower);
  parts.before = {7};
  parts.after = {8, 9};
  const TokenizerPipeline tokenizer(std::move(parts));
  EXPECT_EQ(tokenizer.encode("ab<R>c<N><r>", {}), (Ids{7, 2, 100, 1, 200, 3, 8, 9}));
  EXPECT_EQ(tokenizer.encode("", {}), (Ids{7, 8, 9}));
  EXPECT_EQ(tokenizer.encode("", {.add_special_tokens = false}), Ids{});
}

TEST(Pipeline, PreparesPieces) {
  using Prefix = PiecePreparation::Prefix;
  const auto encoded = [](PiecePreparation preparation, std::string_view text) {
    TokenizerParts parts = parts_with({{.content = "<R>", .id = 100}});
    parts.preparation = std::move(preparation);
    return TokenizerPipeline(std::move(parts)).encode(text, {});
  };
  EXPECT_EQ(encoded({}, "a<R>b"), (Ids{1, 100, 1}));
  EXPECT_EQ(encoded({.prefix = Prefix::every_piece}, "a<R>b<R> c"), (Ids{2, 100, 2, 100, 2}));
  EXPECT_EQ(encoded({.prefix = Prefix::first_piece}, "a<R>b"), (Ids{2, 100, 1}));
  EXPECT_EQ(encoded({.prefix = Prefix::first_piece}, "<R>b"), (Ids{100, 1}));
  EXPECT_EQ(encoded({.space = "▁"}, "a b"), Ids{5});
  EXPECT_EQ(encoded({.prefix = Prefix::every_piece, .space = "▁"}, "a b"), Ids{8});
  EXPECT_EQ(encoded({.prefix = Prefix::every_piece, .space = "▁"}, " a"), Ids{4});
  EXPECT_EQ(encoded({.prefix = Prefix::every_piece, .space = "▁"}, "▁a"), Ids{4});
}

TEST(Pipeline, ManyWordsKeepTheirOrder) {
  TokenizerParts parts = parts_with({});
  std::vector<std::unique_ptr<Splitter>> stages;
  stages.push_back(make_literal_splitter("-", SplitBehavior::removed, false));
  parts.pretokenizer = Pretokenizer(std::move(stages));
  const TokenizerPipeline tokenizer(std::move(parts));
  std::string text;
  Ids expected;
  for (int i = 1; i < 500; ++i) {
    text += std::string(static_cast<std::size_t>(i), 'x') + "-";
    expected.push_back(i);
  }
  EXPECT_EQ(tokenizer.encode(text, {}), expected);
}

}  // namespace
}  // namespace millrace::text
