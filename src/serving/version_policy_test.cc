#include "serving/version_policy.h"

#include <gtest/gtest.h>

namespace millrace::serving {
namespace {

using Versions = std::vector<std::uint64_t>;

Versions chosen(std::string_view policy) {
  const auto parsed = parse_version_policy(policy);
  EXPECT_TRUE(parsed) << policy;
  return parsed ? chosen_versions(*parsed, {10, 2, 1, 3}) : Versions();
}

TEST(VersionPolicy, ChoosesWhatItSays) {
  EXPECT_EQ(chosen("latest"), Versions{10});
  EXPECT_EQ(chosen("latest:2"), (Versions{3, 10}));
  EXPECT_EQ(chosen("latest: 9"), (Versions{1, 2, 3, 10}));
  EXPECT_EQ(chosen("all"), (Versions{1, 2, 3, 10}));
  EXPECT_EQ(chosen("specific:3,1,3,77"), (Versions{1, 3}));
  EXPECT_TRUE(chosen_versions({}, {}).empty());
}

TEST(VersionPolicy, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "newest", "latest:0", "latest:x", "all:1", "specific", "specific:",
                           "specific:1,", "specific:0", "specific:-1", "latest:99999999999"}) {
    EXPECT_FALSE(parse_version_policy(text)) << text;
  }
  std::string many = "specific:1";
  for (int i = 0; i < 5000; ++i) many += ",1";
  EXPECT_FALSE(parse_version_policy(many));
}

TEST(VersionPolicy, ReadsBack) {
  for (const char* text : {"latest:2", "all", "specific:1,3"}) {
    EXPECT_EQ(to_string(*parse_version_policy(text)), text);
  }
}

TEST(VersionNumber, IsAWholeNumberAboveZero) {
  EXPECT_EQ(version_number("12"), 12u);
  for (const char* text : {"", "0", "v1", "1.0", "-1", "99999999999999999999999"}) {
    EXPECT_EQ(version_number(text), 0u) << text;
  }
}

}  // namespace
}  // namespace millrace::serving
