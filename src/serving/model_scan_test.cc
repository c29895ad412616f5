#include "serving/model_scan.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "serving/fake_model.h"

namespace millrace::serving {
namespace {

class ScanTest : public testing::Test {
 protected:
  std::vector<FoundModel> scan() {
    ModelSpec defaults;
    defaults.max_model_len = 77;
    auto found = scan_models(folder.path(), {&backend}, defaults);
    EXPECT_TRUE(found);
    return found ? *found : std::vector<FoundModel>();
  }
  TemporaryFolder folder;
  FakeBackend backend;
};

TEST(ModelName, IsLowerCaseAndPlain) {
  EXPECT_EQ(model_name_of("SmolLM2-135M_v1.0"), "smollm2-135m_v1.0");
  EXPECT_EQ(model_name_of("my model/ä"), "my-model---");
}

TEST_F(ScanTest, FindsFilesFoldersAndVersions) {
  folder.file("B.fake", 100);
  folder.file("alpha/weights.fake", 50);
  folder.file("alpha/sub/more", 7);
  folder.file("versioned/2/weights.fake");
  folder.file("versioned/10/weights.fake");
  folder.file("versioned/11/notes.txt");
  folder.file("readme.md");
  folder.file(".hidden.fake");
  const auto found = scan();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].spec.name, "alpha");
  EXPECT_EQ(found[0].file_bytes, 57);
  EXPECT_EQ(found[0].version, "1");
  EXPECT_EQ(found[0].spec.max_model_len, 77) << "the defaults come along";
  EXPECT_EQ(found[1].spec.name, "b");
  EXPECT_EQ(found[1].file_bytes, 100);
  EXPECT_EQ(found[1].backend, &backend);
  EXPECT_EQ(found[2].spec.name, "versioned");
  EXPECT_EQ(found[2].version, "10") << "the highest that a backend knows";
}

TEST_F(ScanTest, ModelsHaveSettingsOfTheirOwn) {
  folder.file("good/weights.fake");
  std::ofstream(folder.path() / "good" / "model.toml") << "max-model-len = 99";
  folder.file("wrong/weights.fake");
  std::ofstream(folder.path() / "wrong" / "model.toml") << "max-modl-len = 99";
  const auto found = scan();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].spec.max_model_len, 99);
  EXPECT_FALSE(found[0].error);
  EXPECT_TRUE(found[1].error) << "kept, so that its failure shows";
}

TEST_F(ScanTest, OneNameIsOneModel) {
  folder.file("A.fake");
  folder.file("a/weights.fake");
  EXPECT_EQ(scan().size(), 1u);
}

TEST_F(ScanTest, ThePathMayBeTheModel) {
  folder.file("Model/weights.fake");
  folder.file("File.fake");
  const auto from_folder = scan_models(folder.path() / "Model", {&backend}, {});
  ASSERT_TRUE(from_folder);
  ASSERT_EQ(from_folder->size(), 1u);
  EXPECT_EQ(from_folder->front().spec.name, "model");
  const auto from_file = scan_models(folder.path() / "File.fake", {&backend}, {});
  ASSERT_TRUE(from_file);
  ASSERT_EQ(from_file->size(), 1u);
  EXPECT_EQ(from_file->front().spec.name, "file");
}

TEST_F(ScanTest, AFolderMayHoldOneFileOfAnyName) {
  folder.file("a/whatever.fake");
  folder.file("b/3/whatever.fake");
  folder.file("c/one.fake");
  folder.file("c/two.fake");
  const auto found = scan();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].spec.name, "a");
  EXPECT_EQ(found[1].spec.name, "b");
  EXPECT_EQ(found[1].version, "3");
}

TEST_F(ScanTest, SaysWhenThereIsNoSuchFolder) {
  const auto found = scan_models(folder.path() / "absent", {&backend}, {});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::not_found);
  EXPECT_TRUE(scan().empty());
}

}  // namespace
}  // namespace millrace::serving
