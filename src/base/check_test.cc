#include "base/check.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Check, EndsTheProcessWithThePlace) {
  MILLRACE_CHECK(1 + 1 == 2);
  EXPECT_DEATH(MILLRACE_CHECK(1 + 1 == 3), "broken invariant: 1 \\+ 1 == 3 .*check_test.cc");
}

}  // namespace
}  // namespace millrace
