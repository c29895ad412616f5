// llama.cpp's tokenizer vectors (models/ggml-vocab-*.gguf.inp and .out): 47 texts a vocabulary, ids
// as Hugging Face's tokenizers give them, without special tokens.
#include <gtest/gtest.h>

#include <sstream>

#include "text/vocab_data_for_test.h"

namespace millrace::text::test {
namespace {

struct Vector {
  std::string text;
  std::vector<TokenId> ids;
};

std::vector<Vector> read_vectors(const std::string& name) {
  const std::string stem = "B_tokenizers/llama_cpp_vocab_gguf/ggml-vocab-" + name + ".gguf";
  const auto inputs = data_file(stem + ".inp");
  const auto outputs = data_file(stem + ".out");
  if (!inputs || !outputs) return {};
  std::vector<Vector> vectors;
  const std::string text = read_all(*inputs);
  const std::string border = "\n__ggml_vocab_test__\n";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find(border, at);
    if (end == text.npos) break;
    vectors.push_back({text.substr(at, end - at), {}});
    at = end + border.size();
  }
  std::istringstream lines(read_all(*outputs));
  std::string line;
  for (auto& vector : vectors) {
    std::getline(lines, line);
    std::istringstream ids(line);
    for (TokenId id; ids >> id;) vector.ids.push_back(id);
  }
  return vectors;
}

void expect_all(const Tokenizer& tokenizer, const std::string& name) {
  const auto vectors = read_vectors(name);
  ASSERT_GE(vectors.size(), 46u) << name;
  for (const Vector& vector : vectors) {
    const auto ids =
        tokenizer.encode(vector.text, {.add_special_tokens = false, .parse_special_tokens = false});
    EXPECT_EQ(ids, vector.ids) << name << ": '" << vector.text << "'";
  }
}

std::unique_ptr<Tokenizer> build(VocabTable table) {
  auto tokenizer = tokenizer_from_vocab(std::move(table));
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return tokenizer ? std::move(*tokenizer) : nullptr;
}

class GgufVectors : public testing::TestWithParam<const char*> {};

TEST_P(GgufVectors, AreReproduced) {
  const std::string name = GetParam();
  const auto file = data_file("B_tokenizers/llama_cpp_vocab_gguf/ggml-vocab-" + name + ".gguf");
  if (!file) GTEST_SKIP() << "no data folder";
  const auto tokenizer = build(read_gguf_vocabulary(*file));
  ASSERT_TRUE(tokenizer);
  expect_all(*tokenizer, name);
}
INSTANTIATE_TEST_SUITE_P(LlamaCpp, GgufVectors,
                         testing::Values("gpt-2", "falcon", "deepseek-llm", "deepseek-coder",
                                         "llama-spm", "phi-3"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(LlamaCppVectors, Llama3) {
  const auto encoder = data_file("B_tokenizers/llama3/encoder.json");
  const auto merges = data_file("B_tokenizers/llama3/vocab.bpe");
  if (!encoder || !merges) GTEST_SKIP() << "no data folder";
  VocabTable table = read_encoder_and_bpe(read_all(*encoder), read_all(*merges));
  table.pre = "llama-bpe";
  const auto tokenizer = build(std::move(table));
  ASSERT_TRUE(tokenizer);
  expect_all(*tokenizer, "llama-bpe");
}

TEST(LlamaCppVectors, Qwen2) {
  const auto ranks = data_file("B_tokenizers/qwen/qwen.tiktoken");
  if (!ranks) GTEST_SKIP() << "no data folder";
  VocabTable table = read_tiktoken(read_all(*ranks));
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    add_control_token(table, token);
  }
  table.pre = "qwen2";
  const auto tokenizer = build(table);
  ASSERT_TRUE(tokenizer);
  expect_all(*tokenizer, "qwen2");
  table.pre = "deepseek-r1-qwen";
  const auto deepseek = build(table);
  ASSERT_TRUE(deepseek);
  expect_all(*deepseek, "deepseek-r1-qwen");
}

}  // namespace
}  // namespace millrace::text::test
