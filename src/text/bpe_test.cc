#include "text/bpe.h"

#include <gtest/gtest.h>

#include <thread>

#include "text/bpe_builder.h"

namespace millrace::text {
namespace {

Vocabulary vocabulary_of(const std::vector<std::string_view>& spellings,
                         const std::vector<std::string>& bytes = {}) {
  std::vector<std::string> own(spellings.begin(), spellings.end());
  auto built = Vocabulary::build(spellings, bytes.empty() ? own : bytes,
                                 std::vector<TokenKind>(spellings.size(), TokenKind::normal));
  EXPECT_TRUE(built);
  return std::move(*built);
}

std::vector<TokenId> encode(const TokenModel& model, std::string_view word) {
  std::vector<TokenId> ids;
  model.encode(std::span(&word, 1), ids);
  std::vector<TokenId> again;
  model.encode(std::span(&word, 1), again);  // from the cache, where it is short
  EXPECT_EQ(ids, again);
  return ids;
}

using Ids = std::vector<TokenId>;

TEST(Bpe, MergesBytes) {
  const Vocabulary vocabulary = vocabulary_of({"a", "b", "c", "ab", "bc", "abc"});
  const MergeSpelling merges[] = {{"b", "c"}, {"a", "b"}, {"ab", "c"}};
  const auto model = build_byte_bpe(vocabulary, merges, {}, "merges");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(encode(**model, "abc"), (Ids{0, 4}));  // "abc" is a token but no merge leads to it
  EXPECT_EQ(encode(**model, "abab"), (Ids{3, 3}));
  EXPECT_EQ(encode(**model, "xay"), (Ids{0}));  // bytes without a token are left out
  const auto whole = build_byte_bpe(vocabulary, merges, {.ignore_merges = true}, "merges");
  ASSERT_TRUE(whole);
  EXPECT_EQ(encode(**whole, "abc"), (Ids{5}));
  EXPECT_EQ(encode(**model, "abc"), (Ids{0, 4}));  // the cache keeps models apart
}

TEST(Bpe, UnknownBytesAndWordEnds) {
  const Vocabulary vocabulary = vocabulary_of({"<unk>", "a", "b", "a</w>", "b</w>", "ab</w>"});
  const MergeSpelling merges[] = {{"a", "b</w>"}};
  const auto model =
      build_byte_bpe(vocabulary, merges, {.end_of_word_suffix = "</w>", .unknown = 0}, "merges");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(encode(**model, "ab"), (Ids{5}));
  EXPECT_EQ(encode(**model, "aba"), (Ids{1, 2, 3}));
  EXPECT_EQ(encode(**model, "b"), (Ids{4}));
  EXPECT_EQ(encode(**model, "xb"), (Ids{0, 4}));
}

TEST(Bpe, CharactersFallBackToBytesOrUnknown) {
  const Vocabulary vocabulary =
      vocabulary_of({"<unk>", "é", "t", "ét", "<0xE4>", "<0xB8>", "<0xAD>"});
  const MergeSpelling merges[] = {{"é", "t"}};
  const auto bytes = build_char_bpe(vocabulary, merges, {.byte_fallback = true, .unknown = 0}, "m");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(encode(**bytes, "été"), (Ids{3, 1}));
  EXPECT_EQ(encode(**bytes, "中t"), (Ids{4, 5, 6, 2}));
  EXPECT_EQ(encode(**bytes, "国国"), (Ids{0, 0}));  // one of its bytes has no token
  const auto fused = build_char_bpe(vocabulary, merges, {.fuse_unknown = true, .unknown = 0}, "m");
  ASSERT_TRUE(fused);
  EXPECT_EQ(encode(**fused, "国国t中"), (Ids{0, 2, 0}));
}

TEST(Bpe, ScoresChooseTheMerge) {
  const Vocabulary vocabulary = vocabulary_of({"a", "b", "c", "ab", "bc", "<0x64>", "dd", "cd"});
  const float scores[] = {0, 0, 0, -2, -1, 0, -3, -4};
  const auto model = build_scored_bpe(vocabulary, scores, {.byte_fallback = true});
  ASSERT_TRUE(model);
  EXPECT_EQ(encode(**model, "abc"), (Ids{0, 4}));
  EXPECT_EQ(encode(**model, "ab"), (Ids{3}));
  // d is no token itself but a part of some; alone it is a byte.
  EXPECT_EQ(encode(**model, "dd"), (Ids{6}));
  EXPECT_EQ(encode(**model, "cd"), (Ids{7}));
  EXPECT_EQ(encode(**model, "ad"), (Ids{0, 5}));
}

// All cuts of a token have its score, so the leftmost pair goes first.
TEST(Bpe, EqualScoresGoFromTheLeft) {
  const Vocabulary vocabulary = vocabulary_of({"a", "aa", "aaa", "aaaa"});
  const float scores[] = {0, -1, -2, -3};
  const auto model = build_scored_bpe(vocabulary, scores, {});
  ASSERT_TRUE(model);
  EXPECT_EQ(encode(**model, std::string(5, 'a')), (Ids{1, 2}));
  EXPECT_EQ(encode(**model, std::string(7, 'a')), (Ids{3, 2}));
}

TEST(Bpe, MergesMustNameTokens) {
  const Vocabulary vocabulary = vocabulary_of({"a", "b", "ab"});
  const auto error = [&](MergeSpelling merge) {
    const auto model = build_byte_bpe(vocabulary, std::span(&merge, 1), {}, "model.merges");
    return model ? "none" : model.error().message;
  };
  EXPECT_EQ(error({"a", "b"}), "none");
  EXPECT_EQ(error({"x", "b"}), "model.merges[0]: 'x' is not a token");
  EXPECT_EQ(error({"b", "x"}), "model.merges[0]: 'x' is not a token");
  EXPECT_EQ(error({"b", "a"}), "model.merges[0]: 'ba' is not a token");
  EXPECT_LT(error({"a", std::string(100'000, 'b')}).size(), 200u);
}

TEST(Bpe, TextCannotSpellControlTokens) {
  const std::vector<std::string_view> spellings = {"<", ">", "<>"};
  const std::vector<std::string> bytes(spellings.begin(), spellings.end());
  const auto vocabulary = Vocabulary::build(
      spellings, bytes, {TokenKind::normal, TokenKind::normal, TokenKind::control});
  ASSERT_TRUE(vocabulary);
  const MergeSpelling merges[] = {{"<", ">"}};
  const float scores[] = {0, 0, 0};
  for (const auto& model :
       {build_byte_bpe(*vocabulary, merges, {}, "m"),
        build_byte_bpe(*vocabulary, merges, {.ignore_merges = true}, "m"),
        build_char_bpe(*vocabulary, merges, {}, "m"), build_scored_bpe(*vocabulary, scores, {})}) {
    ASSERT_TRUE(model);
    EXPECT_EQ(encode(**model, "<>"), (Ids{0, 1}));
  }
}

TEST(Bpe, ByteTokenSpellings) {
  EXPECT_EQ(parse_byte_token("<0x0A>"), 10);
  EXPECT_EQ(parse_byte_token("<0xFF>"), 255);
  for (const char* text : {"<0xfg>", "<0x0A", "<0x0A>>", "0x0A", "", "<0x G>"}) {
    EXPECT_EQ(parse_byte_token(text), -1) << text;
  }
}

TEST(Bpe, WordsStartWithMetaspace) {
  EXPECT_TRUE(words_start_with_metaspace(vocabulary_of({"▁a", "▁▁", "b"})));
  EXPECT_FALSE(words_start_with_metaspace(vocabulary_of({"▁a", "b▁"})));
  EXPECT_FALSE(words_start_with_metaspace(vocabulary_of({"▁a▁b"})));
}

TEST(Bpe, ThreadsShareAModel) {
  const Vocabulary vocabulary = vocabulary_of({"a", "b", "ab", "abab"});
  const MergeSpelling merges[] = {{"a", "b"}, {"ab", "ab"}};
  const auto model = build_byte_bpe(vocabulary, merges, {}, "merges");
  ASSERT_TRUE(model);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        EXPECT_EQ(encode(**model, "abab"), (Ids{3}));
        EXPECT_EQ(encode(**model, "ababab"), (Ids{3, 2}));
      }
    });
  }
}

}  // namespace
}  // namespace millrace::text
