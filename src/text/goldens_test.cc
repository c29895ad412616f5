// tests/goldens/tokenizers: what Hugging Face's tokenizers give
// (tools/goldens/tokenizer_goldens.py) for about a hundred short texts, and checksums for larger
// ones.
#include <gtest/gtest.h>

#include <cstdio>

#include "base/json.h"
#include "text/vocab_data_for_test.h"

namespace millrace::text::test {
namespace {

constexpr JsonLimits kLimits{
    .max_bytes = 64 << 20, .max_keys_per_object = 1'000'000, .max_values = 4'000'000};

json::value golden(const std::string& name) {
  const std::string path = MILLRACE_SOURCE_DIR "/tests/goldens/tokenizers/" + name + ".json";
  auto parsed = parse_json(read_all(path), kLimits);
  EXPECT_TRUE(parsed) << path;
  return parsed ? *parsed : json::value();
}

std::vector<std::string> golden_texts() {
  const json::value file = golden("texts");
  std::vector<std::string> texts;
  for (const auto& text : file.at("texts").as_array()) texts.emplace_back(text.as_string());
  for (const auto& hex : file.at("broken_hex").as_array()) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.as_string().size(); i += 2) {
      bytes +=
          static_cast<char>(std::stoi(std::string(hex.as_string().subview(i, 2)), nullptr, 16));
    }
    texts.push_back(bytes);
  }
  return texts;
}

std::vector<TokenId> ids_of(const json::value& list) {
  std::vector<TokenId> ids;
  for (const auto& id : list.as_array()) ids.push_back(static_cast<TokenId>(id.as_int64()));
  return ids;
}

// FNV-1a over the ids as 32-bit little-endian numbers.
std::string checksum(const std::vector<TokenId>& ids) {
  std::uint64_t state = 0xCBF29CE484222325;
  for (const TokenId id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      state = (state ^ (static_cast<std::uint32_t>(id) >> shift & 255)) * 0x100000001B3;
    }
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(state));
  return text;
}

void expect_golden(const Tokenizer& tokenizer, const std::string& name) {
  const json::value expected = golden(name);
  const std::vector<std::string> texts = golden_texts();
  ASSERT_EQ(expected.at("ids").as_array().size(), texts.size());
  const json::object& unparsed = expected.at("special_as_text").as_object();
  const json::object& decoded = expected.at("decoded").as_object();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    SCOPED_TRACE(name + ": '" + texts[i] + "'");
    const std::vector<TokenId> ids = ids_of(expected.at("ids").at(i));
    EXPECT_EQ(tokenizer.encode(texts[i], {.add_special_tokens = false}), ids);
    const auto* const as_text = unparsed.if_contains(std::to_string(i));
    EXPECT_EQ(
        tokenizer.encode(texts[i], {.add_special_tokens = false, .parse_special_tokens = false}),
        as_text ? ids_of(*as_text) : ids);
    const auto* const changed = decoded.if_contains(std::to_string(i));
    const bool broken = i + golden("texts").at("broken_hex").as_array().size() >= texts.size();
    if (!broken) {
      EXPECT_EQ(decode(tokenizer, ids), changed ? std::string(changed->as_string()) : texts[i]);
    }
  }
  EXPECT_EQ(tokenizer.encode("Hello world"), ids_of(expected.at("with_special")));
  for (const auto& [file, count_and_sum] : expected.at("large").as_object()) {
    const auto path = data_file("G_text/" + std::string(file));
    ASSERT_TRUE(path);
    const auto ids = tokenizer.encode(read_all(*path), {.add_special_tokens = false});
    EXPECT_EQ(ids.size(), static_cast<std::size_t>(count_and_sum.at(0).as_int64())) << file;
    EXPECT_EQ(checksum(ids), std::string(count_and_sum.at(1).as_string())) << file;
  }
}

TEST(Goldens, SmolLm2) {
  const auto file = smollm2_file();
  if (!file || !data_file("G_text")) GTEST_SKIP() << "no SmolLM2 file or no data folder";
  const auto tokenizer = tokenizer_from_vocab(read_gguf_vocabulary(*file));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  expect_golden(**tokenizer, "smollm2");
}

VocabTable llama3_table() {
  VocabTable table = read_encoder_and_bpe(read_all(*data_file("B_tokenizers/llama3/encoder.json")),
                                          read_all(*data_file("B_tokenizers/llama3/vocab.bpe")));
  for (const char* token : {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                            "<|end_header_id|>", "<|eot_id|>"}) {
    add_control_token(table, token);
  }
  table.pre = "llama-bpe";
  table.bos_token = 128000;
  table.eos_token = 128001;
  return table;
}

TEST(Goldens, Llama3) {
  if (!data_file("B_tokenizers/llama3/encoder.json")) GTEST_SKIP() << "no data folder";
  const auto tokenizer = tokenizer_from_vocab(llama3_table());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  expect_golden(**tokenizer, "llama3");
}

TEST(Goldens, Qwen2) {
  const auto ranks = data_file("B_tokenizers/qwen/qwen.tiktoken");
  if (!ranks) GTEST_SKIP() << "no data folder";
  VocabTable table = read_tiktoken(read_all(*ranks));
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    add_control_token(table, token);
  }
  table.pre = "qwen2";
  const auto tokenizer = tokenizer_from_vocab(std::move(table));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  expect_golden(**tokenizer, "qwen2");
}

class JsonGoldens : public testing::TestWithParam<const char*> {};

TEST_P(JsonGoldens, AreReproduced) {
  const std::string name = GetParam();
  const std::string folder = name == "clip" ? "clip" : "hf_tokenizer_json/" + name;
  const auto file = data_file("B_tokenizers/" + folder + "/tokenizer.json");
  if (!file) GTEST_SKIP() << "no data folder";
  const auto tokenizer = tokenizer_from_json(without_broken_merges(read_all(*file)));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  expect_golden(**tokenizer, name);
}
INSTANTIATE_TEST_SUITE_P(HuggingFace, JsonGoldens,
                         testing::Values("gpt2", "falcon-tokenizer", "llama2", "phi-2", "phi-3",
                                         "roberta-base", "whisper.tiny", "clip"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
                           return name;
                         });

}  // namespace
}  // namespace millrace::text::test
