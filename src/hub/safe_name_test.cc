#include "hub/safe_name.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace millrace::hub {
namespace {

namespace fs = std::filesystem;

TEST(SafeName, PlainNamesPass) {
  for (const char* name :
       {"a", "model.safetensors", "sub/dir/x", "..a", "a..b", ".hidden", "模型.gguf"})
    EXPECT_TRUE(check_file_name(name)) << name;
}

TEST(SafeName, HostileNamesDoNot) {
  using namespace std::string_literals;
  for (const std::string& name : {""s,
                                  "/a"s,
                                  "../a"s,
                                  "a/../b"s,
                                  "a/.."s,
                                  "."s,
                                  ".."s,
                                  "./a"s,
                                  "a//b"s,
                                  "a/"s,
                                  "a\\b"s,
                                  "a\nb"s,
                                  "a\0b"s,
                                  "\x7f"s,
                                  "x.part"s,
                                  "x.part.journal"s,
                                  "x.part/y"s,
                                  std::string(300, 'x'),
                                  "a/" + std::string(300, 'x'),
                                  std::string(2000, 'x')}) {
    auto checked = check_file_name(name);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().code, "hostile_name");
  }
}

TEST(SafeName, LinksAreNotFollowed) {
  const fs::path root = fs::temp_directory_path() / ("millrace-safe-" + std::to_string(::getpid()));
  fs::remove_all(root);
  fs::create_directories(root / "outside");
  fs::create_directories(root / "in");
  fs::create_directory_symlink(root / "outside", root / "in" / "link");
  std::ofstream(root / "outside" / "target") << "x";
  fs::create_symlink(root / "outside" / "target", root / "in" / "file");
  EXPECT_EQ(*make_path_beneath(root / "in", "a/b/c"), root / "in" / "a" / "b" / "c");
  EXPECT_TRUE(fs::is_directory(root / "in" / "a" / "b"));
  EXPECT_FALSE(make_path_beneath(root / "in", "link/x"));
  EXPECT_FALSE(make_path_beneath(root / "in", "file"));
  EXPECT_FALSE(make_path_beneath(root / "in", "a/b"));  // a folder has the name
  fs::remove_all(root);
}

}  // namespace
}  // namespace millrace::hub
