#include <gtest/gtest.h>

#include "base/json.h"
#include "text/tokenizer.h"
#include "text/vocab_data_for_test.h"

namespace millrace::text {
namespace {

using Ids = std::vector<TokenId>;

TEST(VocabFiles, ReadsBoth) {
  const auto read = tokenizer_from_vocab_and_merges(
      R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3, "#": 4, "##": 5})",
      "#version: 0.2\r\na b\r\n# #\n\n");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ((*read)->encode("ab<|endoftext|>##"), (Ids{2, 3, 5}));
  EXPECT_EQ((*read)->eos_token(), 3);
}

TEST(VocabFiles, RefusesBrokenOnes) {
  for (const char* vocab : {"", "[]", "{}", R"({"a": -1})", R"({"a": 9999999})", R"({"a": "0"})",
                            R"({"a": 0, "b": 0})", R"({"": 0})"}) {
    EXPECT_FALSE(tokenizer_from_vocab_and_merges(vocab, "")) << vocab;
  }
  EXPECT_FALSE(tokenizer_from_vocab_and_merges(R"({"a": 0})", "a b"));
  EXPECT_FALSE(tokenizer_from_vocab_and_merges(R"({"a": 0})", "a"));
}

TEST(VocabFiles, Gpt2Goldens) {
  const auto vocab = test::data_file("B_tokenizers/gpt2_openai_raw/encoder.json");
  const auto merges = test::data_file("B_tokenizers/gpt2_openai_raw/vocab.bpe");
  const auto golden =
      test::data_file("B_tokenizers/gpt2_openai_raw/swift_coreml_gpt2_encoded_tokens.json");
  if (!vocab || !merges || !golden) GTEST_SKIP() << "no data folder";
  const auto read =
      tokenizer_from_vocab_and_merges(test::read_all(*vocab), test::read_all(*merges));
  ASSERT_TRUE(read) << read.error().message;
  const auto file = parse_json(test::read_all(*golden));
  ASSERT_TRUE(file);
  Ids expected;
  for (const auto& id : file->at("token_ids").as_array()) {
    expected.push_back(static_cast<TokenId>(id.as_int64()));
  }
  const std::string text(file->at("text").as_string());
  EXPECT_EQ((*read)->encode(text), expected);
  EXPECT_EQ(decode(**read, expected), text);
}

TEST(VocabFiles, Gpt2ReferenceText) {
  const std::string folder = "B_tokenizers/gpt2_and_bert_rten_reftests/reftests/";
  const auto text = test::data_file(folder + "monty-python-credits.txt");
  const auto golden = test::data_file(folder + "monty-python-credits-gpt2.json");
  const auto model = test::data_file(folder + "models/gpt2/tokenizer.json");
  if (!text || !golden || !model) GTEST_SKIP() << "no data folder";
  const auto read = tokenizer_from_json(test::read_all(*model));
  ASSERT_TRUE(read) << read.error().message;
  const auto file = parse_json(test::read_all(*golden));
  ASSERT_TRUE(file);
  Ids expected;
  for (const auto& id : file->at("token_ids").as_array()) {
    expected.push_back(static_cast<TokenId>(id.as_int64()));
  }
  EXPECT_EQ((*read)->encode(test::read_all(*text)), expected);
}

}  // namespace
}  // namespace millrace::text
