#include "hub/choose_files.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::hub {
namespace {

using Names = std::vector<std::string>;

std::vector<HubFile> files(const Names& names) {
  std::vector<HubFile> list;
  for (const auto& name : names) list.push_back({.name = name});
  return list;
}

Names chosen(const Names& names, const std::string& wanted = "") {
  auto result = choose_files(files(names), wanted);
  if (!result) return {"error: " + result.error().code};
  Names list;
  for (const HubFile& file : *result) list.push_back(file.name);
  return list;
}

TEST(ChooseFiles, SafetensorsBeforeGguf) {
  EXPECT_EQ(chosen({"config.json", "model.safetensors", "x-Q4_K_M.gguf", "tokenizer.json",
                    "README.md", "sub/model.safetensors", "consolidated.safetensors"}),
            (Names{"model.safetensors", "tokenizer.json", "config.json"}));
  // Some repositories call their only weights otherwise.
  EXPECT_EQ(chosen({"config.json", "weights.safetensors"}),
            (Names{"weights.safetensors", "config.json"}));
}

TEST(ChooseFiles, OneGguf) {
  EXPECT_EQ(chosen({"M.Q2_K.gguf", "M.q4_k_m.gguf"}), Names{"M.q4_k_m.gguf"});
  EXPECT_EQ(chosen({"only.gguf", "config.json", "mmproj-only.gguf"}), Names{"only.gguf"});
  EXPECT_EQ(chosen({"a.gguf", "b.gguf"}), Names{"error: several_files"});
  EXPECT_EQ(chosen({"README.md"}), Names{"error: no_model"});
  EXPECT_EQ(chosen({"a-00001-of-00002.gguf", "a-00002-of-00002.gguf"}),
            (Names{"a-00002-of-00002.gguf", "a-00001-of-00002.gguf"}));
}

TEST(ChooseFiles, NamesPatternsAndQuantisations) {
  const Names names = {"M-Q4_K_M.gguf", "M-Q8_0.gguf", "d/x.bin"};
  EXPECT_EQ(chosen(names, "M-Q8_0.gguf"), Names{"M-Q8_0.gguf"});
  EXPECT_EQ(chosen(names, "*.bin"), Names{"d/x.bin"});
  EXPECT_EQ(chosen(names, "q8_0"), Names{"M-Q8_0.gguf"});
  EXPECT_EQ(chosen(names, "8_0"), Names{"error: no_such_file"});
  EXPECT_EQ(chosen({"a-00001-of-00002.gguf", "a-00002-of-00002.gguf"}, "a-00001-of-00002.gguf"),
            (Names{"a-00002-of-00002.gguf", "a-00001-of-00002.gguf"}));
}

}  // namespace
}  // namespace millrace::hub
