#include "weights/guarded_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "weights/mapping_guard.h"
#include "weights/test_files.h"

namespace millrace::weights {
namespace {

constexpr std::size_t kPage = 4096;

unsigned sum_of(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const auto byte : bytes) sum += static_cast<unsigned>(byte);
  return sum;
}

TEST(GuardedFile, ReadingPastANewEndGivesZerosAndAnError) {
  const ScratchFolder folder;
  const auto path = folder.write("m.gguf", std::string(8 * kPage, '\1'));
  auto file = GuardedFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->still_intact());
  std::filesystem::resize_file(path, 2 * kPage);
  EXPECT_EQ(sum_of(file->bytes()), 2 * kPage);
  ASSERT_FALSE(file->still_intact());
  EXPECT_EQ(file->still_intact().error().message,
            "m.gguf: it was changed while it was in use; load it again");
}

TEST(GuardedFile, NoticesAChangeWithoutAFault) {
  const ScratchFolder folder;
  const auto path = folder.write("m.gguf", std::string(100, '\1'));
  auto file = GuardedFile::open(path);
  ASSERT_TRUE(file);
  std::filesystem::resize_file(path, 50);  // within one page: reads give zeros, no signal
  EXPECT_FALSE(file->still_intact());
}

TEST(GuardedFile, ARemovedOrReplacedFileIsStillWhole) {
  const ScratchFolder folder;
  const auto path = folder.write("m.gguf", std::string(3 * kPage, '\1'));
  auto file = GuardedFile::open(path);
  ASSERT_TRUE(file);
  std::filesystem::rename(folder.write("new.gguf", "short"), path);
  EXPECT_TRUE(file->still_intact());
  std::filesystem::remove(path);
  EXPECT_TRUE(file->still_intact());
  EXPECT_EQ(sum_of(file->bytes()), 3 * kPage);
}

TEST(MappingGuard, ManyThreadsMayFaultAtOnce) {
  const ScratchFolder folder;
  const auto path = folder.write("m.gguf", std::string(64 * kPage, '\1'));
  auto file = GuardedFile::open(path);
  ASSERT_TRUE(file);
  std::filesystem::resize_file(path, 0);
  std::atomic<unsigned> total{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { total += sum_of(file->bytes()); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(total, 0u);
  EXPECT_FALSE(file->still_intact());
}

TEST(MappingGuard, SlotsAreUsedAgain) {
  std::vector<std::byte> memory(16);
  for (int i = 0; i < 2 * MappingGuard::kMaxGuards; ++i) {
    EXPECT_TRUE(MappingGuard(memory).guards());
  }
  std::vector<MappingGuard> guards;
  while (guards.size() <= MappingGuard::kMaxGuards && MappingGuard(memory).guards()) {
    guards.emplace_back(memory);
  }
  EXPECT_LE(guards.size(), static_cast<std::size_t>(MappingGuard::kMaxGuards));
  EXPECT_FALSE(MappingGuard(memory).guards());
  EXPECT_FALSE(MappingGuard().torn());
  guards.clear();
  EXPECT_TRUE(MappingGuard(memory).guards());
}

// A fault that no guard covers still ends the process.
TEST(MappingGuardDeathTest, ForeignFaultsAreFatal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const ScratchFolder folder;
  const auto guarded = folder.write("a", std::string(kPage, 'a'));
  const auto other = folder.write("b", std::string(kPage, 'b'));
  EXPECT_DEATH(
      {
        auto file = GuardedFile::open(guarded);
        auto foreign = MappedFile::open(other);
        std::filesystem::resize_file(other, 0);
        std::exit(static_cast<int>(sum_of(foreign->bytes())));
      },
      "");
}

}  // namespace
}  // namespace millrace::weights
