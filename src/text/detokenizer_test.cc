#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <random>

#include "text/pipeline.h"
#include "text/unicode.h"
#include "text/vocab_data_for_test.h"

namespace millrace::text {
namespace {

// Tokens that are pieces of characters, broken bytes, spaces and a special token.
class PiecesTokenizer final : public Tokenizer {
 public:
  explicit PiecesTokenizer(bool strips) : strips_(strips) {}
  std::vector<TokenId> encode(std::string_view, const EncodeOptions&) const override { return {}; }
  std::string_view token_bytes(TokenId id) const override {
    return id < 0 || id >= vocab_size() ? "" : kPieces[static_cast<std::size_t>(id)];
  }
  bool is_special(TokenId id) const override { return id == 0; }
  std::optional<TokenId> find(std::string_view) const override { return std::nullopt; }
  int vocab_size() const override { return static_cast<int>(kPieces.size()); }
  std::size_t longest_token_bytes() const override { return 7; }
  TokenId bos_token() const override { return 0; }
  TokenId eos_token() const override { return 0; }
  bool strips_leading_space() const override { return strips_; }

  inline static const std::vector<std::string> kPieces = {
      "<s>",  "a",    " ",   "\xE4", "\xB8",     "\xAD",      "\xF0",     "\x9F\x98", "\x80",
      "\xFF", "\xC3", "é中", "",     "\xE4\xB8", "x\xF0\x9F", "\xED\xA0", "\xC0",     " \xE2\x82"};

 private:
  bool strips_;
};

std::string stream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, bool skip = true) {
  Detokenizer detokenizer(tokenizer, skip);
  std::string text;
  for (const TokenId id : ids) {
    const std::string piece = detokenizer.push(id);
    EXPECT_TRUE(is_valid_utf8(piece));
    text += piece;
  }
  return text + detokenizer.finish();
}

TEST(Detokenizer, HoldsBackUnfinishedCharacters) {
  const PiecesTokenizer tokenizer(false);
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.push(3), "");
  EXPECT_EQ(detokenizer.push(4), "");
  EXPECT_EQ(detokenizer.push(5), "中");
  EXPECT_EQ(detokenizer.push(6), "");
  EXPECT_EQ(detokenizer.push(1),
            "\uFFFD"
            "a");
  EXPECT_EQ(detokenizer.push(9), "\uFFFD");  // starts nothing: no need to wait
  EXPECT_EQ(detokenizer.push(13), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, SpecialTokensAndTheFirstSpace) {
  const PiecesTokenizer strips(true);
  const PiecesTokenizer keeps(false);
  EXPECT_EQ(stream(strips, {0, 12, 2, 2, 1, 0, 2}), " a ");
  EXPECT_EQ(stream(keeps, {0, 2, 1}), " a");
  EXPECT_EQ(stream(strips, {0, 2, 1}, false), "<s> a");
  EXPECT_EQ(stream(keeps, {-1, 99, 1}), "a");
}

TEST(Detokenizer, AgreesWithDecodeOverRandomIds) {
  std::mt19937 random(2);
  for (const bool strips : {false, true}) {
    const PiecesTokenizer tokenizer(strips);
    for (int round = 0; round < 3000; ++round) {
      std::vector<TokenId> ids(random() % 12);
      for (TokenId& id : ids) id = static_cast<TokenId>(random() % PiecesTokenizer::kPieces.size());
      for (const bool skip : {false, true}) {
        EXPECT_EQ(stream(tokenizer, ids, skip), decode(tokenizer, ids, skip));
      }
    }
  }
}

TEST(Detokenizer, AgreesWithDecodeOnRealVocabularies) {
  for (const char* name : {"gpt-2", "llama-spm", "falcon"}) {
    const auto file = test::data_file("B_tokenizers/llama_cpp_vocab_gguf/ggml-vocab-" +
                                      std::string(name) + ".gguf");
    if (!file) GTEST_SKIP() << "no data folder";
    const auto tokenizer = tokenizer_from_vocab(test::read_gguf_vocabulary(*file));
    ASSERT_TRUE(tokenizer);
    std::mt19937 random(4);
    std::vector<TokenId> ids(20'000);
    for (TokenId& id : ids) {
      id = static_cast<TokenId>(random() % static_cast<unsigned>((*tokenizer)->vocab_size()));
    }
    EXPECT_EQ(stream(**tokenizer, ids), decode(**tokenizer, ids));
    EXPECT_EQ(stream(**tokenizer, ids, false), decode(**tokenizer, ids, false));
  }
}

}  // namespace
}  // namespace millrace::text
