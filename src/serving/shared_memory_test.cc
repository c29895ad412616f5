#include "serving/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <string>

namespace millrace::serving {
namespace {

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

// A client's object, written and read by mapping, as clients do.
class ClientObject {
 public:
  explicit ClientObject(std::size_t bytes)
      : key_("/millrace-test-" + std::to_string(::getpid())), size_(bytes) {
    file_ = ::shm_open(key_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    EXPECT_EQ(::ftruncate(file_, static_cast<off_t>(bytes)), 0);
    bytes_ =
        static_cast<char*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0));
  }
  ~ClientObject() {
    ::munmap(bytes_, size_);
    ::close(file_);
    ::shm_unlink(key_.c_str());
  }
  const std::string& key() const { return key_; }
  char* bytes() { return bytes_; }
  void truncate(off_t size) { EXPECT_EQ(::ftruncate(file_, size), 0); }

 private:
  std::string key_;
  std::size_t size_;
  int file_ = -1;
  char* bytes_ = nullptr;
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

ErrorKind kind_of(const Status& status) {
  EXPECT_FALSE(status.has_value());
  return status ? ErrorKind::internal : status.error().kind;
}

TEST(SharedMemory, WhatAClientWroteIsReadAndTheOtherWayRound) {
  ClientObject object(64);
  SharedMemory memory;
  ASSERT_TRUE(memory.add({.name = "r", .key = object.key(), .offset = 8, .byte_size = 32}));
  std::memcpy(object.bytes() + 8 + 4, "hello", 5);
  EXPECT_EQ(memory.read({.region = "r", .offset = 4, .byte_size = 5}).value(), "hello");
  ASSERT_TRUE(memory.write({.region = "r", .offset = 27, .byte_size = 5}, bytes_of("abc")));
  EXPECT_EQ(std::string_view(object.bytes() + 8 + 27, 3), "abc");
  EXPECT_EQ(object.bytes()[8 + 30], 0) << "no more than was given";
  for (std::uint64_t size = 0; size <= 32; ++size) {
    EXPECT_EQ(memory.read({.region = "r", .byte_size = size})->size(), size);
  }
}

TEST(SharedMemory, PiecesBeyondTheRegionAreRefused) {
  ClientObject object(64);
  SharedMemory memory;
  ASSERT_TRUE(memory.add({.name = "r", .key = object.key(), .offset = 8, .byte_size = 32}));
  for (const auto& [offset, size] : {std::pair<std::uint64_t, std::uint64_t>{0, 33},
                                     {32, 1},
                                     {33, 0},
                                     {kHuge, 1},
                                     {1, kHuge},
                                     {kHuge - 3, 4},
                                     {0, SharedMemory::kMaxPieceBytes + 1}}) {
    const auto got = memory.read({.region = "r", .offset = offset, .byte_size = size});
    ASSERT_FALSE(got.has_value()) << offset << " " << size;
    EXPECT_EQ(got.error().kind, ErrorKind::invalid_argument);
  }
  EXPECT_EQ(kind_of(memory.write({.region = "r", .offset = 31, .byte_size = 2}, bytes_of("ab"))),
            ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(memory.write({.region = "r", .byte_size = 1}, bytes_of("ab"))),
            ErrorKind::invalid_argument);
  EXPECT_EQ(memory.read({.region = "other", .byte_size = 1}).error().kind, ErrorKind::not_found);
}

TEST(SharedMemory, RegionsThatAreNotThereOrNotWithinAreRefused) {
  ClientObject object(64);
  SharedMemory memory;
  for (const char* key : {"", "/", "/../etc/passwd", "/a/b", "//a", "/.", "/..",
                          "/no-such-object-here", "/new\nline"}) {
    EXPECT_EQ(kind_of(memory.add({.name = "r", .key = key, .byte_size = 1})),
              ErrorKind::invalid_argument)
        << key;
  }
  EXPECT_FALSE(memory.add({.name = "r", .key = std::string(300, 'x'), .byte_size = 1}));
  for (const auto& [offset, size] :
       {std::pair<std::uint64_t, std::uint64_t>{0, 65}, {64, 1}, {0, 0}, {kHuge, 2}, {2, kHuge}}) {
    EXPECT_EQ(kind_of(memory.add(
                  {.name = "r", .key = object.key(), .offset = offset, .byte_size = size})),
              ErrorKind::invalid_argument);
  }
  EXPECT_FALSE(memory.add({.name = "", .key = object.key(), .byte_size = 1}));
  EXPECT_TRUE(memory.list().empty());
}

TEST(SharedMemory, AClientThatTruncatesGetsAnError) {
  ClientObject object(8192);
  SharedMemory memory;
  ASSERT_TRUE(memory.add({.name = "r", .key = object.key(), .byte_size = 8192}));
  object.truncate(100);
  EXPECT_EQ(memory.read({.region = "r", .byte_size = 101}).error().kind,
            ErrorKind::invalid_argument);
  EXPECT_TRUE(memory.read({.region = "r", .byte_size = 100}));
  EXPECT_EQ(kind_of(memory.write({.region = "r", .byte_size = 8192}, bytes_of("abc"))),
            ErrorKind::invalid_argument);
}

TEST(SharedMemory, NamesAreTakenOnceAndGivenBack) {
  ClientObject object(16);
  SharedMemory memory;
  // Without its slash the key means the same object.
  ASSERT_TRUE(memory.add({.name = "b", .key = object.key().substr(1), .byte_size = 16}));
  ASSERT_TRUE(memory.add({.name = "a", .key = object.key(), .byte_size = 4}));
  EXPECT_EQ(kind_of(memory.add({.name = "a", .key = object.key(), .byte_size = 4})),
            ErrorKind::conflict);
  ASSERT_EQ(memory.list().size(), 2u);
  EXPECT_EQ(memory.list()[0].name, "a");
  EXPECT_EQ(memory.find("b")->byte_size, 16u);
  EXPECT_TRUE(memory.remove("a"));
  EXPECT_EQ(kind_of(memory.remove("a")), ErrorKind::not_found);
  memory.clear();
  EXPECT_EQ(memory.find("b").error().kind, ErrorKind::not_found);
}

TEST(SharedMemory, TheirNumberIsBounded) {
  ClientObject object(16);
  SharedMemory memory;
  for (std::size_t i = 0; i < SharedMemory::kMaxRegions; ++i) {
    ASSERT_TRUE(memory.add({.name = std::to_string(i), .key = object.key(), .byte_size = 1}));
  }
  EXPECT_EQ(kind_of(memory.add({.name = "x", .key = object.key(), .byte_size = 1})),
            ErrorKind::too_large);
}

}  // namespace
}  // namespace millrace::serving
