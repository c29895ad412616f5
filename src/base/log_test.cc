#include "base/log.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Log, OneEventIsOneLine) {
  EXPECT_EQ(escape_control_characters(std::string_view("a\r\nb\x1b[31m\0é", 12)),
            "a\\x0d\\x0ab\\x1b[31m\\x00é");
}

TEST(Log, LevelsGate) {
  set_log_level(LogLevel::error);
  EXPECT_FALSE(log_enabled(LogLevel::info));
  EXPECT_TRUE(log_enabled(LogLevel::error));
  set_log_level(LogLevel::info);
  EXPECT_TRUE(log_enabled(LogLevel::info));
}

}  // namespace
}  // namespace millrace
