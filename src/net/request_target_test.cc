#include "net/request_target.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

TEST(RequestTarget, splits_and_decodes_once) {
  const auto target = parse_request_target("/a%20b/%252e/%E2%82%AC?x=%41&y");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b/%2e/\xE2\x82\xAC");
  EXPECT_EQ(target->route_path(), "/a%20b/%252e/%E2%82%AC");
  EXPECT_EQ(target->query, "x=%41&y");
}

TEST(RequestTarget, keeps_what_needs_no_decoding) {
  for (const char* text : {"/", "/a", "/a/", "/a/b.c/d~e", "/v1/models/m:predict", "/a;b=c,d",
                           "/...", "/..a", "/a..", "/.a", "/!$&'()*+,;=:@"}) {
    const auto target = parse_request_target(text);
    ASSERT_TRUE(target) << text;
    EXPECT_EQ(target->path, text);
    EXPECT_EQ(target->route_path(), text);
  }
  EXPECT_EQ(parse_request_target("*")->path, "*");
  EXPECT_EQ(parse_request_target("/a?")->query, "");
  EXPECT_EQ(parse_request_target("/a?b?c")->query, "b?c");
}

TEST(RequestTarget, refuses_every_second_reading) {
  for (const char* text : {"",           "a",
                           "**",         "?",
                           "http://a/",  "//",
                           "/a//b",      "/./",
                           "/..",        "/a/../b",
                           "/%2e%2e/a",  "/a%2f%2e%2e",
                           "/%2f/a",     "/a%5cb",
                           "/a\\b",      "/%00",
                           "/%1F",       "/%7f",
                           "/%C0%AF",    "/%E0%80%80",
                           "/%ED%A0%80", "/%F8%88%80%80%80",
                           "/%80",       "/%F4%90%80%80",
                           "/%E2%82",    "/%",
                           "/%a",        "/%ag",
                           "/a#b",       "/a?b#c",
                           "/\xC3\xA9",  "/a b",
                           "/a\tb"}) {
    EXPECT_FALSE(parse_request_target(text)) << text;
  }
}

TEST(RequestTarget, decodes_percent_escapes) {
  EXPECT_EQ(percent_decode("a%2Fb%c3%A9"), "a/b\xC3\xA9");
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("%2"), std::nullopt);
  EXPECT_EQ(percent_decode("%%20"), std::nullopt);
}

}  // namespace
}  // namespace millrace::net
