#include "serving/model_scan.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "serving/fake_model.h"
#include "serving/file_stamp.h"

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

TEST_F(ScanTest, ALooseFileHidesNoFolder) {
  folder.file("weights.fake");  // the folder itself looks like a model to the backend
  folder.file("a/weights.fake");
  folder.file("b/1/weights.fake");
  const auto found = scan();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].spec.name, "a");
  EXPECT_EQ(found[1].spec.name, "b");
  EXPECT_EQ(found[2].spec.name, "weights");
}

TEST_F(ScanTest, OfSeveralLooseFilesEachIsAModel) {
  folder.file("weights.fake");
  folder.file("other.fake");
  const auto found = scan();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].spec.name, "weights");
}

TEST_F(ScanTest, ThePolicyChoosesVersions) {
  for (const char* version : {"1", "2", "3", "10"}) {
    folder.file(std::string("m/") + version + "/weights.fake");
  }
  const auto versions = [&](const std::string& toml) {
    std::ofstream(folder.path() / "m" / "model.toml") << toml;
    std::string all;
    for (const auto& model : scan()) all += model.version + " ";
    return all;
  };
  EXPECT_EQ(versions(""), "10 ");
  EXPECT_EQ(versions("version-policy = \"all\""), "1 2 3 10 ");
  EXPECT_EQ(versions("version-policy = \"latest:2\""), "3 10 ");
  EXPECT_EQ(versions("version-policy = \"specific:2,77\""), "2 ");
  EXPECT_EQ(versions("version-policy = \"specific:77\""), "");
}

TEST_F(ScanTest, SettingsBesideTheVersionsApplyToAll) {
  folder.file("m/1/weights.fake");
  folder.file("m/2/weights.fake");
  std::ofstream(folder.path() / "m" / "config.pbtxt") << "name: \"m\" instance_group { count: 3 }";
  std::ofstream(folder.path() / "m" / "model.toml")
      << "version-policy = \"all\"\nmax-model-len = 99\nmax-num-seqs = 5\n[version-labels]\nold = "
         "1";
  std::ofstream(folder.path() / "m" / "2" / "model.toml") << "max-num-seqs = 6";
  const auto found = scan();
  ASSERT_EQ(found.size(), 2u);
  for (const auto& model : found) {
    EXPECT_FALSE(model.error) << model.error->message;
    EXPECT_EQ(model.spec.max_model_len, 99);
    EXPECT_EQ(model.spec.num_instances, 3);
    EXPECT_EQ(model.rules.labels.at("old"), 1u);
  }
  EXPECT_EQ(found[0].spec.max_num_seqs, 5);
  EXPECT_EQ(found[1].spec.max_num_seqs, 6) << "a version's own counts most";
  ASSERT_EQ(found[1].settings_files.size(), 2u);
  EXPECT_EQ(found[1].settings_files[1].text, "max-num-seqs = 6");
}

TEST_F(ScanTest, AConfigMayNameTheFile) {
  folder.file("m/1/net.fake");
  folder.file("m/1/other.fake");
  EXPECT_TRUE(scan().empty());
  std::ofstream(folder.path() / "m" / "config.pbtxt") << "default_model_filename: \"net.fake\"";
  const auto found = scan();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].spec.path.filename(), "net.fake");
}

TEST_F(ScanTest, TheStampChangesWithTheFiles) {
  folder.file("m/1/weights.fake", 10);
  folder.file("lone.fake");
  const auto stamps = [&] {
    const auto found = scan();
    return std::pair(found.at(0).stamp, found.at(1).stamp);
  };
  const auto first = stamps();
  EXPECT_EQ(stamps(), first);
  folder.file("m/1/weights.fake", 11);
  EXPECT_NE(stamps().second, first.second);
  EXPECT_EQ(stamps().first, first.first);
  const auto second = stamps();
  std::ofstream(folder.path() / "m" / "model.toml") << "max-num-seqs = 5";
  EXPECT_NE(stamps().second, second.second);
  std::ofstream(folder.path() / "lone.toml") << "max-num-seqs = 5";
  EXPECT_NE(stamps().first, first.first);
  EXPECT_EQ(bytes_in(folder.path() / "m" / "1"), 11);
  EXPECT_NE(file_stamp(folder.path() / "lone.fake"), folder_stamp(folder.path()));
}

TEST_F(ScanTest, SaysWhenThereIsNoSuchFolder) {
  const auto found = scan_models(folder.path() / "absent", {&backend}, {});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::not_found);
  EXPECT_TRUE(scan().empty());
}

}  // namespace
}  // namespace millrace::serving
