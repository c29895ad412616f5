#include "backends/native/gguf_text.h"

#include <gtest/gtest.h>

#include "weights/gguf_builder.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

class GgufTextTest : public testing::Test {
 protected:
  // A file with these metadata pairs and no tensors.
  const weights::WeightFile& open(const weights::GgufBuilder& pairs, std::uint64_t count) {
    weights::GgufBuilder file;
    file.header(0, count).raw(pairs.bytes()).pad();
    auto opened = weights::open_gguf(folder_.write("vocab.gguf", file.bytes()));
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    file_ = *std::move(opened);
    return *file_;
  }

  weights::ScratchFolder folder_;
  std::unique_ptr<weights::WeightFile> file_;
};

void put_types(weights::GgufBuilder& pairs, const std::vector<std::int32_t>& types) {
  pairs.array("tokenizer.ggml.token_type", weights::kI32, types.size());
  for (const std::int32_t type : types) pairs.put(type);
}

TEST_F(GgufTextTest, ReadsTheVocabulary) {
  weights::GgufBuilder pairs;
  pairs.string("tokenizer.ggml.model", "gpt2")
      .string("tokenizer.ggml.pre", "smollm")
      .strings("tokenizer.ggml.tokens", {"a", "b", "<|im_end|>", "<|eot_id|>", "<|endoftext|>"})
      .strings("tokenizer.ggml.merges", {"a b"})
      .u32("tokenizer.ggml.bos_token_id", 1)
      .u32("tokenizer.ggml.eos_token_id", 0xffffffff)
      .string("tokenizer.chat_template", "{{ x }}");
  put_types(pairs, {1, 1, 3, 1, 3});
  TextAssets text;
  read_gguf_text(open(pairs, 8), text);
  EXPECT_EQ(text.gguf_kind, "gpt2");
  EXPECT_EQ(text.gguf_pre, "smollm");
  EXPECT_EQ(text.merges, std::vector<std::string>{"a b"});
  EXPECT_EQ(text.chat_template, "{{ x }}");
  EXPECT_EQ(text.bos_token, 1);
  EXPECT_EQ(text.eos_token, -1);
  EXPECT_EQ(text.add_bos, std::nullopt);
  // Control tokens only: a plain token that spells "<|eot_id|>" is text.
  EXPECT_EQ(gguf_end_of_turn_ids(text), (std::vector<TokenId>{2, 4}));
}

TEST_F(GgufTextTest, NoVocabularyIsNoError) {
  weights::GgufBuilder pairs;
  pairs.string("general.architecture", "llama");
  TextAssets text;
  read_gguf_text(open(pairs, 1), text);
  EXPECT_TRUE(text.gguf_kind.empty());
}

}  // namespace
}  // namespace millrace::backends
