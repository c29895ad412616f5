#include "api/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/json.h"

namespace millrace::api {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonWriter, PutsTheCommas) {
  std::string out;
  JsonWriter json(out);
  json.open_object().field("a", 1).key("b").open_array().integer(2).string("x").open_object();
  json.close_object().null().close_array().field("c", true).field("d", 0.5).close_object();
  EXPECT_EQ(out, R"({"a":1,"b":[2,"x",{},null],"c":true,"d":0.5})");
}

TEST(JsonWriter, NumbersAreShort) {
  std::string out;
  JsonWriter json(out);
  json.open_array().number(0.1f).number(-1e-7).number(-0.0).number(1.0);
  json.number(std::numeric_limits<double>::infinity()).number(std::nanf("")).close_array();
  EXPECT_EQ(out, "[0.1,-1e-07,0,1,null,null]");
}

TEST(JsonString, Escapes) {
  EXPECT_EQ(as_json("a\"b\\c\n\r\t\x01\x1f/"), R"("a\"b\\c\n\r\t\u0001\u001f/")");
  EXPECT_EQ(as_json(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(as_json("Grüße 你 😀"), "\"Grüße 你 😀\"");
}

TEST(JsonString, IsAlwaysUtf8) {
  EXPECT_EQ(as_json("a\xE4\xBD"
                    "b"),
            "\"a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(as_json("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"") << "overlong";
  EXPECT_EQ(as_json("\xED\xA0\x80"), as_json("\xFF\xFF\xFF")) << "surrogate";
  EXPECT_EQ(as_json("\xF4\x90\x80\x80"), as_json("\xFF\xFF\xFF\xFF")) << "above U+10FFFF";
}

// Whatever the bytes, the strict parser takes the string; valid text comes back the same.
TEST(JsonString, RoundTripsThroughTheParser) {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes(random() % 12, ' ');
    for (char& c : bytes) c = static_cast<char>(random());
    const auto parsed = parse_json(as_json(bytes));
    ASSERT_TRUE(parsed) << as_json(bytes);
    const std::string once(parsed->as_string());
    EXPECT_EQ(parse_json(as_json(once))->as_string(), once);
  }
}

}  // namespace
}  // namespace millrace::api
