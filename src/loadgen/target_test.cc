#include "loadgen/target.h"

#include <gtest/gtest.h>

namespace millrace::loadgen {
namespace {

TEST(Target, reads_what_people_write) {
  const auto plain = parse_target("http://127.0.0.1:8000");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, 8000);
  EXPECT_EQ(plain->prefix, "");
  EXPECT_EQ(parse_target("http://h:1/v1/")->prefix, "");
  EXPECT_EQ(parse_target("http://h:1/gpu0/v1")->prefix, "/gpu0");
  EXPECT_EQ(parse_target("localhost:9")->host, "localhost");
  EXPECT_EQ(parse_target("http://example")->port, 80);
  const auto six = parse_target("http://[::1]:8000/v1");
  ASSERT_TRUE(six);
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->url(), "http://[::1]:8000");
}

TEST(Target, refuses_what_it_cannot_reach) {
  for (const char* url : {"", "http://", "https://h", "ftp://h", "http://h:0", "http://h:99999",
                          "http://h:8x", "http://[::1", "http://u@h", "http://h?x", "http://h h"}) {
    const auto target = parse_target(url);
    ASSERT_FALSE(target) << url;
    EXPECT_EQ(target.error().kind, ErrorKind::invalid_argument);
  }
}

}  // namespace
}  // namespace millrace::loadgen
