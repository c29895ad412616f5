#include "base/random_id.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace {
namespace {

TEST(RandomId, IsNewEachTime) {
  std::set<std::string> ids;
  for (int i = 0; i < 1'000; ++i) ids.insert(random_id());
  EXPECT_EQ(ids.size(), 1'000U);
  for (const std::string& id : ids) {
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  }
}

}  // namespace
}  // namespace millrace
