#include "serving/model_settings.h"

#include <gtest/gtest.h>

#include <fstream>

#include "serving/fake_model.h"

namespace millrace::serving {
namespace {

class ModelSettingsTest : public testing::Test {
 protected:
  Status apply(const std::string& toml) {
    std::ofstream(folder.path() / "model.toml") << toml;
    return apply_model_settings(folder.path(), spec);
  }
  TemporaryFolder folder;
  ModelSpec spec;
};

TEST_F(ModelSettingsTest, NoFileChangesNothing) {
  spec.max_model_len = 7;
  EXPECT_TRUE(apply_model_settings(folder.path(), spec));
  EXPECT_EQ(spec.max_model_len, 7);
}

TEST_F(ModelSettingsTest, KeysAreTheFlags) {
  spec.max_num_seqs = 5;
  const auto done = apply(R"(max-model-len = 1024
kv_cache_memory = "2MiB"
precision = "exact"
enable-prefix-caching = false
sim-step-ms = 2.5
)");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(spec.max_model_len, 1024);
  EXPECT_EQ(spec.kv_cache_bytes, 2 << 20);
  EXPECT_EQ(spec.precision, "exact");
  EXPECT_FALSE(spec.enable_prefix_caching);
  EXPECT_EQ(spec.max_num_seqs, 5) << "what is not named stays";
  EXPECT_EQ(spec.sim, (std::map<std::string, std::string>{{"step_ms", "2.5"}}));
}

TEST_F(ModelSettingsTest, ErrorsNameFileAndLine) {
  const auto unknown = apply("max-model-len = 8\nmax-modl-len = 9\n");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("model.toml:2"), std::string::npos)
      << unknown.error().message;
  EXPECT_FALSE(apply("max-model-len = -1"));
  EXPECT_FALSE(apply("precision = \"best\""));
  EXPECT_FALSE(apply("= ="));
}

TEST_F(ModelSettingsTest, ASingleFileHasItsOwn) {
  folder.file("m.fake");
  std::ofstream(folder.path() / "m.toml") << "max-num-seqs = 3";
  ASSERT_TRUE(apply_model_settings(folder.path() / "m.fake", spec));
  EXPECT_EQ(spec.max_num_seqs, 3);
}

}  // namespace
}  // namespace millrace::serving
