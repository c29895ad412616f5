#include "base/cores.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

TEST(Cores, TheProcessKnowsItsOwn) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace millrace
