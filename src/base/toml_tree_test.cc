#include "base/toml_tree.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

std::string error_of(std::string_view text, const TomlLimits& limits = {}) {
  const auto parsed = parse_toml_tree(text, "a.toml", limits);
  return parsed ? "" : parsed.error().message;
}

TEST(TomlTree, KeepsKindsLinesAndTheOrderOfTheFile) {
  const auto doc = parse_toml_tree(
      "z = 1\n"
      "a = 2.5\n"
      "[[step]]\n"
      "name = 'x'\n"
      "inputs = { b = 'p', a = 'q' }\n"
      "[[step]]\n"
      "flags = [true, false]\n",
      "a.toml");
  ASSERT_TRUE(doc) << doc.error().message;
  EXPECT_EQ(*doc->find("z")->get<std::int64_t>(), 1);
  EXPECT_EQ(*doc->find("a")->get<double>(), 2.5);
  EXPECT_EQ(doc->get<TomlValue::Table>()->front().key, "z");
  const auto* steps = doc->find("step")->get<TomlValue::Array>();
  ASSERT_EQ(steps->size(), 2u);
  const TomlValue& inputs = *steps->at(0).find("inputs");
  EXPECT_EQ(inputs.line, 5);
  EXPECT_EQ(inputs.get<TomlValue::Table>()->at(0).key, "b");
  EXPECT_EQ(inputs.get<TomlValue::Table>()->at(1).key, "a");
  EXPECT_EQ(*steps->at(1).find("flags")->get<TomlValue::Array>()->at(0).get<bool>(), true);
  EXPECT_EQ(doc->find("nothing"), nullptr);
  EXPECT_EQ(doc->find("z")->find("nothing"), nullptr);
  EXPECT_STREQ(kind_of(inputs), "a table");
  EXPECT_STREQ(kind_of(*doc->find("z")), "a whole number");
}

TEST(TomlTree, MistakesHaveALine) {
  EXPECT_TRUE(error_of("a = 1\nb = \n").starts_with("a.toml:2: ")) << error_of("a = 1\nb = \n");
  EXPECT_TRUE(error_of("a = 1\na = 2\n").starts_with("a.toml:2: "));
  EXPECT_EQ(error_of("a = 1\nb = 1979-05-27\n"), "a.toml:2: dates and times mean nothing here");
}

TEST(TomlTree, IsBounded) {
  EXPECT_NE(error_of("a = [[[[1]]]]", {.max_depth = 3}), "");
  EXPECT_EQ(error_of("a = [[1]]", {.max_depth = 3}), "");
  EXPECT_NE(error_of("a = [1,2,3,4,5]", {.max_values = 5}), "");
  EXPECT_NE(error_of("a = 'long enough'", {.max_bytes = 5}), "");
  EXPECT_NE(error_of("a = " + std::string(100'000, '[')), "") << "no stack is that deep";
  EXPECT_NE(error_of(std::string("a = \"\xff\"")), "") << "not UTF-8";
}

}  // namespace
}  // namespace millrace
