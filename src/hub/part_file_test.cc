#include "hub/part_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace millrace::hub {
namespace {

namespace fs = std::filesystem;

class PartFileTest : public ::testing::Test {
 protected:
  PartFileTest()
      : folder_(fs::temp_directory_path() / ("millrace-part-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~PartFileTest() override { fs::remove_all(folder_); }

  fs::path path() const { return folder_ / "file"; }
  fs::path journal() const { return folder_ / "file.part.journal"; }
  static std::span<const std::byte> bytes(const std::string& text) {
    return std::as_bytes(std::span(text));
  }
  static std::string text_of(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  Result<PartFile> open(std::int64_t size = 10) { return PartFile::open(path(), size, sum_); }

  const Checksum sum_ = checksum_of_hex(std::string(64, 'a'));
  fs::path folder_;
};

TEST_F(PartFileTest, TakesItsNameAtTheEnd) {
  auto part = open();
  ASSERT_TRUE(part);
  ASSERT_TRUE(part->write(5, bytes("56789")));
  ASSERT_TRUE(part->write(0, bytes("01234")));
  EXPECT_FALSE(fs::exists(path()));
  ASSERT_TRUE(part->finish());
  EXPECT_EQ(text_of(path()), "0123456789");
  EXPECT_FALSE(fs::exists(journal()));
  EXPECT_FALSE(fs::exists(folder_ / "file.part"));
}

TEST_F(PartFileTest, GoesOnAfterACheckpoint) {
  ASSERT_TRUE(open()->write(2, bytes("234")));  // the destructor's checkpoint
  auto part = open();
  ASSERT_TRUE(part);
  EXPECT_EQ(part->present().list(), (std::vector<ByteRange>{{2, 5}}));
  std::string back(3, ' ');
  EXPECT_TRUE(part->read(2, std::as_writable_bytes(std::span(back))));
  EXPECT_EQ(back, "234");
}

TEST_F(PartFileTest, AnotherSizeOrChecksumBeginsAgain) {
  ASSERT_TRUE(open()->write(0, bytes("01234")));
  EXPECT_TRUE(open(11)->present().empty());
  ASSERT_TRUE(open(11)->write(0, bytes("01234")));
  EXPECT_TRUE(PartFile::open(path(), 11, checksum_of_hex(std::string(64, 'b')))->present().empty());
}

TEST_F(PartFileTest, AJournalThatSaysNonsenseIsNotBelieved) {
  const std::string head = "millrace-part 1 10 sha256:" + std::string(64, 'a') + "\n";
  for (const char* lines :
       {"0 11\n", "5 99999999999999\n", "x y\n", "1 2 3\n", "-5 3\n", "7\n", "0 5"}) {
    ASSERT_TRUE(open()->write(0, bytes("01")));
    std::ofstream(journal(), std::ios::trunc) << head << lines;
    EXPECT_TRUE(open()->present().empty()) << lines;
  }
  // What came before a torn line holds.
  ASSERT_TRUE(open()->write(0, bytes("0123456")));
  std::ofstream(journal(), std::ios::trunc) << head << "0 4\n4 7";
  EXPECT_EQ(open()->present().total(), 4);
  // A part that was cut short has less than its journal says.
  ASSERT_TRUE(open()->write(0, bytes("0123456789")));
  fs::resize_file(folder_ / "file.part", 3);
  EXPECT_TRUE(open()->present().empty());
}

TEST_F(PartFileTest, OnlyOneAtATime) {
  auto first = open();
  ASSERT_TRUE(first);
  auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  first->discard();
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace millrace::hub
