#include "hub/package_model.h"

#include <gtest/gtest.h>

namespace millrace::hub {
namespace {

TEST(PackageModel, AGgufAnywhere) {
  auto model = find_model({{"pkg/__init__.py", 10}, {"pkg/data/M.Q4_1.gguf", 99}});
  ASSERT_TRUE(model);
  ASSERT_EQ(model->size(), 1u);
  EXPECT_EQ(model->front().name, "M.Q4_1.gguf");
  EXPECT_EQ(model->front().entry.size, 99);
}

TEST(PackageModel, AFolderOfSafetensors) {
  auto model = find_model(
      {{"pkg/config.json", 1}, {"pkg/m/model.safetensors", 9}, {"pkg/m/config.json", 2}});
  ASSERT_TRUE(model);
  ASSERT_EQ(model->size(), 2u);
  EXPECT_EQ(model->back().entry.name, "pkg/m/config.json");
}

TEST(PackageModel, SaysWhatIsMissing) {
  EXPECT_EQ(find_model({{"pkg/x.py", 1}}).error().code, "no_model");
  EXPECT_EQ(find_model({{"a.gguf", 1}, {"b.gguf", 1}}).error().code, "several_files");
}

}  // namespace
}  // namespace millrace::hub
