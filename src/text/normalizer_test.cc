#include "text/normalizer.h"

#include <gtest/gtest.h>

namespace millrace::text {
namespace {

using Kind = NormalizerStep::Kind;

std::string apply(std::vector<NormalizerStep> steps, std::string_view text) {
  const auto normalizer = Normalizer::build(std::move(steps));
  EXPECT_TRUE(normalizer) << normalizer.error().message;
  return normalizer ? normalizer->apply(text) : "";
}
NormalizerStep replace(std::string literal, std::string content) {
  return {.kind = Kind::replace, .literal = std::move(literal), .content = std::move(content)};
}

TEST(Normalizer, AppliesStepsInOrder) {
  EXPECT_EQ(apply({}, "a"), "a");
  EXPECT_EQ(apply({{.kind = Kind::prepend, .content = "▁"}, replace(" ", "▁")}, "a b"), "▁a▁b");
  EXPECT_EQ(apply({{.kind = Kind::prepend, .content = "▁"}}, ""), "");
  EXPECT_EQ(
      apply({{.kind = Kind::form, .form = NormalForm::nfd}, {.kind = Kind::strip_marks}}, "é"),
      "e");
  EXPECT_EQ(apply({{.kind = Kind::lower_case}}, "ÄB"), "äb");
  EXPECT_EQ(apply({{.kind = Kind::strip_left}}, " \u3000a "), "a ");
  EXPECT_EQ(apply({{.kind = Kind::strip_right}}, " a\u2003\n"), " a");
  EXPECT_EQ(apply({{.kind = Kind::strip_left}, {.kind = Kind::strip_right}}, " \n"), "");
  EXPECT_EQ(apply({replace("aa", "a")}, "aaaaa"), "aaa");
}

TEST(Normalizer, ReplacesPatterns) {
  auto regex = Regex::compile(R"(\s+)");
  ASSERT_TRUE(regex);
  auto pattern = std::make_shared<const Regex>(std::move(*regex));
  EXPECT_EQ(apply({{.kind = Kind::replace, .pattern = pattern, .content = " "}}, "a \n\tb  c"),
            "a b c");
}

TEST(Normalizer, RefusesGrowthAndLength) {
  EXPECT_FALSE(Normalizer::build({replace("a", std::string(257, 'x'))}));
  EXPECT_FALSE(Normalizer::build({replace("a", std::string(100, 'x'))}));
  EXPECT_FALSE(Normalizer::build({replace("a", "bbbbb"), replace("b", "ccccc")}));
  EXPECT_TRUE(Normalizer::build({replace("a", "bbbb"), replace("b", "cccc")}));
  EXPECT_FALSE(Normalizer::build({replace("", "b")}));
  EXPECT_FALSE(Normalizer::build(std::vector<NormalizerStep>(65, {.kind = Kind::lower_case})));
}

}  // namespace
}  // namespace millrace::text
