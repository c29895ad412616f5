#include "net/field_syntax.h"

#include <gtest/gtest.h>

#include "net/http_types.h"

namespace millrace::net {
namespace {

TEST(FieldSyntax, splits_a_line_and_trims_its_value) {
  const auto field = split_field_line("X-Name: \t a b \t");
  ASSERT_TRUE(field);
  EXPECT_EQ(field->name, "X-Name");
  EXPECT_EQ(field->raw_value, " \t a b \t");
  EXPECT_EQ(field->value, "a b");
  EXPECT_EQ(split_field_line("a:")->value, "");
  EXPECT_EQ(split_field_line("a:b:c")->value, "b:c");
}

TEST(FieldSyntax, refuses_what_is_no_field) {
  for (const char* line : {"", ":", ": a", "a", "a b", "a b: c", "a : b", " a: b", "\ta: b",
                           "a(: b", "\xC3\xA9: b", "a\t: b"}) {
    EXPECT_FALSE(split_field_line(line)) << line;
  }
}

TEST(FieldSyntax, knows_tokens_and_values) {
  EXPECT_TRUE(is_token("a-b_c.d!#$%&'*+^`|~9"));
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a/b"));
  EXPECT_TRUE(is_field_value("a\t\xFF b"));
  EXPECT_TRUE(is_field_value(""));
  for (const std::string_view bad : {std::string_view("\0", 1), std::string_view("\r"),
                                     std::string_view("\n"), std::string_view("\x7F")}) {
    EXPECT_FALSE(is_field_value(bad));
  }
}

TEST(Headers, finds_names_without_case_and_joins_repeats) {
  Headers headers = {{"Accept", "a"}};
  headers.join("ACCEPT", "b");
  headers.join("X", "1");
  headers["x"] = "2";
  headers["y"] = "3";
  EXPECT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers.find("accept")->second, "a, b");
  EXPECT_EQ(headers.find("X")->second, "2");
  EXPECT_TRUE(headers.contains("Y"));
  EXPECT_FALSE(headers.contains("z"));
  EXPECT_TRUE(equal_ignoring_case("aZ-@", "Az-@"));
  EXPECT_FALSE(equal_ignoring_case("@", "`"));  // not letters, although 0x20 apart
}

}  // namespace
}  // namespace millrace::net
