#include <gtest/gtest.h>

#include <limits>

#include "text/tokenizer.h"
#include "text/vocab_data_for_test.h"

namespace millrace::text {
namespace {

VocabTable gpt2_table() {
  return {.kind = "gpt2",
          .pre = "gpt-2",
          .tokens = {"a", "b", "Ġ", "ab", "Ġab", "<|end|>", "  ", "Ã", "©"},
          .token_types = {1, 1, 1, 1, 1, 3, 4, 1, 1},
          .merges = {"a b", "Ġ ab"},
          .bos_token = 5,
          .eos_token = 5};
}

VocabTable llama_table() {
  return {.kind = "llama",
          .tokens = {"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "▁", "a", "b", "▁a", "ab"},
          .scores = {0, 0, 0, 0, 0, -9, -9, -9, -1, -2},
          .token_types = {2, 3, 3, 6, 6, 1, 1, 1, 1, 1},
          .bos_token = 1,
          .eos_token = 2,
          .unknown_token = 0};
}

using Ids = std::vector<TokenId>;

std::string error_field(VocabTable table) {
  const auto tokenizer = tokenizer_from_vocab(std::move(table));
  return tokenizer ? "none" : tokenizer.error().param;
}

TEST(VocabTable, ByteLevel) {
  const auto read = tokenizer_from_vocab(gpt2_table());
  ASSERT_TRUE(read) << read.error().message;
  const Tokenizer& tokenizer = **read;
  EXPECT_EQ(tokenizer.encode("ab ab<|end|>  é"), (Ids{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(tokenizer.encode("  ", {.parse_special_tokens = false}), Ids{6});  // user-defined
  EXPECT_EQ(decode(tokenizer, {3, 5, 4, 7, 8}), "ab ab\u00e9");
  EXPECT_EQ(decode(tokenizer, {3, 5}, false), "ab<|end|>");
  EXPECT_TRUE(tokenizer.is_special(5));
  EXPECT_EQ(tokenizer.eos_token(), 5);
}

TEST(VocabTable, AddsBosAndEos) {
  VocabTable table = gpt2_table();
  table.add_bos = true;
  table.add_eos = true;
  const auto both = tokenizer_from_vocab(table);
  ASSERT_TRUE(both);
  EXPECT_EQ((*both)->encode("a"), (Ids{5, 0, 5}));
  EXPECT_EQ((*both)->encode("a", {.add_special_tokens = false}), (Ids{0}));
  table.add_bos = std::nullopt;
  table.add_eos = std::nullopt;
  table.pre = "llama-bpe";
  const auto usual = tokenizer_from_vocab(table);
  ASSERT_TRUE(usual);
  EXPECT_EQ((*usual)->encode("a"), (Ids{5, 0}));
}

TEST(VocabTable, SentencePiece) {
  const auto read = tokenizer_from_vocab(llama_table());
  ASSERT_TRUE(read) << read.error().message;
  const Tokenizer& tokenizer = **read;
  EXPECT_EQ(tokenizer.encode("ab a"), (Ids{1, 8, 7, 8}));  // ▁a before ab
  EXPECT_EQ(tokenizer.encode("é"), (Ids{1, 5, 3, 4}));
  EXPECT_EQ(tokenizer.encode("中中"), (Ids{1, 5, 0}));
  EXPECT_EQ(tokenizer.encode("a</s>a"), (Ids{1, 8, 2, 8}));
  EXPECT_EQ(tokenizer.encode(""), Ids{1});
  EXPECT_EQ(decode(tokenizer, {1, 8, 7, 8, 3, 4, 2}), "ab a\u00e9");
  EXPECT_TRUE(tokenizer.strips_leading_space());
  VocabTable table = llama_table();
  table.add_space_prefix = false;
  const auto bare = tokenizer_from_vocab(std::move(table));
  ASSERT_TRUE(bare);
  EXPECT_EQ((*bare)->encode("ab"), (Ids{1, 9}));
  EXPECT_FALSE((*bare)->strips_leading_space());
}

TEST(VocabTable, InvalidUtf8BecomesReplacementCharacters) {
  const auto tokenizer = tokenizer_from_vocab(llama_table());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ((*tokenizer)->encode("a\xFFz"), (*tokenizer)->encode("a\uFFFDz"));
}

TEST(VocabTable, RefusesByField) {
  const auto changed = [](VocabTable table, auto change) {
    change(table);
    return error_field(std::move(table));
  };
  EXPECT_EQ(changed(gpt2_table(), [](auto&) {}), "none");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.kind = "bert"; }), "tokenizer.ggml.model");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.pre = "?"; }), "tokenizer.ggml.pre");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.tokens.clear(); }), "tokenizer.ggml.tokens");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.tokens[0] = "\xFF"; }), "tokenizer.ggml.tokens");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.tokens[5].clear(); }), "tokenizer.ggml.tokens");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.tokens[5] = std::string(5000, 'x'); }),
            "tokenizer.ggml.tokens");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.token_types.pop_back(); }),
            "tokenizer.ggml.token_type");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.eos_token = 99; }),
            "tokenizer.ggml.eos_token_id");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.bos_token = -2; }),
            "tokenizer.ggml.bos_token_id");
  EXPECT_EQ(changed(gpt2_table(), [](auto& t) { t.unknown_token = 9; }),
            "tokenizer.ggml.unknown_token_id");
  for (const char* merge : {"", "ab", "a ", " ", "a x", "x a", "b a", " a b"}) {
    EXPECT_EQ(changed(gpt2_table(), [&](auto& t) { t.merges.push_back(merge); }),
              "tokenizer.ggml.merges")
        << merge;
  }
  EXPECT_EQ(changed(llama_table(), [](auto& t) { t.scores.pop_back(); }), "tokenizer.ggml.scores");
  EXPECT_EQ(changed(llama_table(),
                    [](auto& t) { t.scores[8] = std::numeric_limits<float>::quiet_NaN(); }),
            "tokenizer.ggml.scores");
  EXPECT_EQ(changed(gpt2_table(),
                    [](auto& t) {
                      t.tokens.resize(1 << 21);
                      t.token_types.clear();
                    }),
            "tokenizer.ggml.tokens");
}

// One megabyte of what is hard for careless tokenizers; each must end in well under a second.
TEST(VocabTable, HardTextsTakeNoQuadraticTime) {
  const auto byte_level = tokenizer_from_vocab(gpt2_table());
  const auto sentence_piece = tokenizer_from_vocab(llama_table());
  ASSERT_TRUE(byte_level && sentence_piece);
  for (const char c : {'a', '^', ' ', '<', '\n', '\xFF', '\''}) {
    const std::string text(1 << 20, c);
    (*byte_level)->encode(text);
    (*sentence_piece)->encode(text);
  }
}

TEST(VocabTable, RealVocabulariesRoundTrip) {
  const auto file = test::data_file("B_tokenizers/llama_cpp_vocab_gguf/ggml-vocab-gpt-2.gguf");
  if (!file) GTEST_SKIP() << "no data folder";
  const auto tokenizer = tokenizer_from_vocab(test::read_gguf_vocabulary(*file));
  ASSERT_TRUE(tokenizer);
  std::vector<std::string> texts = test::varied_texts();
  for (unsigned seed = 0; seed < 500; ++seed) texts.push_back(test::random_text(seed, 80));
  for (const auto& text : texts) {
    EXPECT_EQ(decode(**tokenizer, (*tokenizer)->encode(text, {.parse_special_tokens = false})),
              text);
  }
}

}  // namespace
}  // namespace millrace::text
