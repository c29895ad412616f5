#include "backends/native/model_folder.h"

#include <gtest/gtest.h>

#include "models/tiny_models.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

json::object parsed(std::string_view text) {
  return parse_json(text)->as_object();
}

TEST(DefaultSampling, TakesWhatIsSane) {
  const SamplingParams sampling = default_sampling(parsed(
      R"({"temperature": 0.7, "top_p": 0, "min_p": 0.05, "top_k": -3, "repetition_penalty": 1.1})"));
  EXPECT_FLOAT_EQ(sampling.temperature, 0.7f);
  EXPECT_FLOAT_EQ(sampling.top_p, 1.0f);  // 0 would leave no token
  EXPECT_FLOAT_EQ(sampling.min_p, 0.05f);
  EXPECT_EQ(sampling.top_k, 0);
  EXPECT_FLOAT_EQ(sampling.repetition_penalty, 1.1f);
}

TEST(ExtraEosIds, OneOrMany) {
  ModelFolder folder;
  folder.generation_config = parsed(R"({"eos_token_id": 5})");
  EXPECT_EQ(extra_eos_ids(folder), std::vector<TokenId>{5});
  folder.generation_config = parsed(R"({"eos_token_id": [5, "x", -1, 9]})");
  EXPECT_EQ(extra_eos_ids(folder), (std::vector<TokenId>{5, 9}));
}

TEST(ModelFolder, OpensWhatLiesBesideTheWeights) {
  const models::TinyModel model = models::make_tiny_model("gpt2_bf16");
  const weights::ScratchFolder scratch;
  scratch.write("model.safetensors", models::safetensors_bytes(model));
  EXPECT_FALSE(open_model_folder(scratch.path()).has_value());  // no config.json
  scratch.write("config.json", dump_json(model.config));
  scratch.write("vocab.json", "{}");
  scratch.write("merges.txt", "#version: 0.2\n");
  scratch.write("tokenizer_config.json", "{\"bos_token\": \"x\"}");
  for (const auto& path : {scratch.path(), scratch.path() / "model.safetensors"}) {
    const auto folder = open_model_folder(path);
    ASSERT_TRUE(folder.has_value()) << folder.error().message;
    EXPECT_FALSE(folder->gguf);
    EXPECT_EQ(folder->config.at("n_embd").as_int64(), 64);
    EXPECT_EQ(folder->text.vocab_json, "{}");
    EXPECT_EQ(folder->text.merges_txt, "#version: 0.2\n");
    EXPECT_EQ(folder->text.tokenizer_config_json, "{\"bos_token\": \"x\"}");
    EXPECT_TRUE(folder->text.tokenizer_json.empty());
    EXPECT_EQ(dominant_weight_type(*folder->weights), "bf16");
  }
}

}  // namespace
}  // namespace millrace::backends
