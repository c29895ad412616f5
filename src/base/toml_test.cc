#include "base/toml.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Toml, IsJsonInOtherWords) {
  const auto parsed = parse_toml(R"(a = 1
b = [1, 2.5, "x", true]
[t.u]
c = "d"
[[list]]
n = 1
[[list]]
n = 2
)",
                                 "m.toml");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(json::serialize(*parsed),
            R"({"a":1,"b":[1,2.5E0,"x",true],"list":[{"n":1},{"n":2}],"t":{"u":{"c":"d"}}})");
}

TEST(Toml, ErrorsGiveTheLine) {
  const auto wrong = parse_toml("a = 1\nb = \n", "m.toml");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("m.toml:2"), std::string::npos) << wrong.error().message;
  const auto date = parse_toml("a = 1\nd = 1979-05-27\n", "m.toml");
  ASSERT_FALSE(date);
  EXPECT_NE(date.error().message.find("m.toml:2: \"d\""), std::string::npos);
}

TEST(Toml, DepthIsBounded) {
  EXPECT_TRUE(parse_toml("a = " + std::string(20, '[') + std::string(20, ']'), "m.toml"));
  EXPECT_FALSE(parse_toml("a = " + std::string(60, '[') + std::string(60, ']'), "m.toml"));
}

}  // namespace
}  // namespace millrace
