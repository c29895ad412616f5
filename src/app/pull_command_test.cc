#include "app/pull_command.h"

#include <gtest/gtest.h>

#include "app/model_table.h"

namespace millrace::app {
namespace {

TEST(PullCommand, ExitStatuses) {
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::unavailable, .code = "wrong_checksum"}), 65);
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::unavailable, .code = "disk_full"}), 74);
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::not_found}), 66);
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::unauthenticated}), 77);
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::unavailable}), 69);
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::cancelled}), 130);
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::invalid_argument}), 64);
  EXPECT_EQ(exit_status_of({.kind = ErrorKind::conflict}), 1);
}

TEST(PullCommand, ProgressForPeople) {
  constexpr std::int64_t kMiB = 1 << 20;
  EXPECT_EQ(progress_text(0, 10 * kMiB, 0), "0 B of 10.0 MiB");
  EXPECT_EQ(progress_text(5 * kMiB, 10 * kMiB, kMiB), "5.0 MiB of 10.0 MiB, 1.0 MiB/s, 5 s left");
  EXPECT_EQ(progress_text(0, 600 * kMiB, kMiB), "0 B of 600.0 MiB, 1.0 MiB/s, 10 min left");
}

TEST(ModelTable, ShortCounts) {
  EXPECT_EQ(short_count(0), "0");
  EXPECT_EQ(short_count(999), "999");
  EXPECT_EQ(short_count(134'515'008), "134.5M");
  EXPECT_EQ(short_count(7'000'000'000), "7.0B");
}

TEST(ModelTable, BrokenRowsAreNotInTheTable) {
  const std::string text = format_table({{.name = "good", .backend = "native", .family = "llama"},
                                         {.name = "b\x1b[2Jad", .error = "why"}},
                                        false);
  EXPECT_NE(text.find("good"), std::string::npos);
  EXPECT_NE(text.find("cannot be served: b\\x1b[2Jad: why"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace millrace::app
