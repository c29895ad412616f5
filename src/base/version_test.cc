#include "base/version.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace {
namespace {

TEST(Version, IsThreeNumbers) {
  int dots = 0;
  for (const char c : std::string(kVersion)) dots += c == '.';
  EXPECT_EQ(dots, 2) << kVersion;
}

}  // namespace
}  // namespace millrace
