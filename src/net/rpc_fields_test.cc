#include "net/rpc_fields.h"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

TEST(RpcFields, TimeoutsHaveAUnit) {
  using namespace std::chrono_literals;
  const TimePoint now{1000s};
  EXPECT_EQ(*parse_rpc_timeout("1H", now), now + 1h);
  EXPECT_EQ(*parse_rpc_timeout("5M", now), now + 5min);
  EXPECT_EQ(*parse_rpc_timeout("0S", now), now);
  EXPECT_EQ(*parse_rpc_timeout("99999999m", now), now + 99'999'999ms);
  EXPECT_EQ(*parse_rpc_timeout("20u", now), now + 20us);
  EXPECT_EQ(*parse_rpc_timeout("1000n", now), now + 1us);
  EXPECT_EQ(*parse_rpc_timeout("99999999H", now), kNever) << "and none that overflows";
}

TEST(RpcFields, MalformedTimeoutsAreRefused) {
  for (const char* text : {"", "1", "S", "1s", "1 S", "-1S", "+1S", "0x1S", "1.5S", "100000000S",
                           "1SS", "18446744073709551616n"}) {
    const auto parsed = parse_rpc_timeout(text, TimePoint{});
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().param, "grpc-timeout");
  }
}

TEST(RpcFields, MessagesAreAsciiOnTheWire) {
  EXPECT_EQ(encode_rpc_message("plain text, 100%"), "plain text, 100%25");
  EXPECT_EQ(encode_rpc_message("a\nb\x7f"), "a%0Ab%7F");
  EXPECT_EQ(encode_rpc_message("é"), "%C3%A9");
}

TEST(RpcFields, ContentTypes) {
  for (const char* text :
       {"application/grpc", "application/grpc+proto", "application/grpc;charset=x"}) {
    EXPECT_TRUE(is_rpc_content_type(text)) << text;
  }
  for (const char* text : {"", "application/grpc-web", "application/grp", "application/json"}) {
    EXPECT_FALSE(is_rpc_content_type(text)) << text;
  }
}

}  // namespace
}  // namespace millrace::net
