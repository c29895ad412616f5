#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace millrace {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("millrace-file-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_ / "sub");
    std::ofstream(folder_ / "a.txt") << "hello";
    std::ofstream(folder_ / "sub" / "b.txt") << "b";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(FileTest, MapsAndReadsWhole) {
  auto mapped = MappedFile::open(folder_ / "a.txt");
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->bytes().size(), 5u);
  mapped->release(mapped->bytes());
  EXPECT_EQ(static_cast<char>(mapped->bytes()[1]), 'e');  // released pages come back from the file
  EXPECT_EQ(*read_file(folder_ / "a.txt", 5), "hello");
}

TEST_F(FileTest, SaysWhatIsWrongWithoutPaths) {
  auto absent = read_file(folder_ / "none", 10);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().kind, ErrorKind::not_found);
  EXPECT_EQ(absent.error().message.find(folder_.string()), std::string::npos);
  EXPECT_EQ(read_file(folder_ / "a.txt", 4).error().kind, ErrorKind::too_large);
  EXPECT_FALSE(MappedFile::open(folder_));  // a folder
}

TEST_F(FileTest, ResolvesOnlyBeneath) {
  EXPECT_TRUE(resolve_beneath(folder_, "a.txt"));
  EXPECT_TRUE(resolve_beneath(folder_, "sub/b.txt"));
  std::filesystem::create_symlink("/etc/passwd", folder_ / "link");
  std::filesystem::create_directory_symlink("/etc", folder_ / "dirlink");
  std::filesystem::create_hard_link(folder_ / "sub" / "b.txt", folder_ / "hard");
  for (const std::string& bad :
       {std::string("../x"), std::string("/etc/passwd"), std::string("sub/../a.txt"),
        std::string("link"), std::string("dirlink/passwd"), std::string("hard"), std::string("sub"),
        std::string(""), std::string("a.txt\0x", 7)}) {
    EXPECT_FALSE(resolve_beneath(folder_, bad)) << bad;
  }
}

}  // namespace
}  // namespace millrace
