#include "serving/pipeline/condition.h"

#include <gtest/gtest.h>

#include <cmath>

#include "serving/pipeline/step_rig.h"

namespace millrace::serving {
namespace {

bool holds(std::string_view text, const Value& value) {
  const auto condition = read_condition(text);
  MILLRACE_CHECK(condition.has_value());
  const auto result = condition->holds(value);
  MILLRACE_CHECK(result.has_value());
  return *result;
}

TEST(Condition, Sources) {
  EXPECT_EQ(read_source("step.out")->output, "out");
  EXPECT_EQ(read_source("step")->output, "");
  EXPECT_EQ(read_source("model.serving_default:0.x")->output, "serving_default:0.x");
  for (const char* bad : {"", ".x", "x."}) EXPECT_FALSE(read_source(bad)) << bad;
}

TEST(Condition, ComparesOneElement) {
  const Value half = floats({1}, {0.5f});
  EXPECT_TRUE(holds("s.x > 0.4", half));
  EXPECT_FALSE(holds("s.x>0.5", half));
  EXPECT_TRUE(holds("s.x >= .5", half));
  EXPECT_TRUE(holds("s.x <= 0.5", half));
  EXPECT_TRUE(holds("s < 1e3", half));
  EXPECT_TRUE(holds("s.x == 0.5", half));
  EXPECT_TRUE(holds("s.x != -1", half));
  EXPECT_FALSE(holds("s.x > 0", floats({1}, {std::nanf("")})));
  EXPECT_FALSE(read_condition("s.x > 0")->holds(floats({2}, {1, 2}))) << "which of the two?";
  EXPECT_FALSE(read_condition("s.x > 0")->holds(floats({0}, {})));
  EXPECT_FALSE(read_condition("s.x > 0")->holds(texts({"1"})));
}

TEST(Condition, AnyAllMinMaxRows) {
  const Value some = integers({3}, {1, 2, 3}), none = integers({0}, {});
  EXPECT_TRUE(holds("any(s.x) > 2", some));
  EXPECT_FALSE(holds("all( s.x ) > 2", some));
  EXPECT_TRUE(holds("min(s.x) == 1", some));
  EXPECT_TRUE(holds("max(s.x) == 3", some));
  EXPECT_TRUE(holds("rows(s.x) == 3", some));
  EXPECT_FALSE(holds("any(s.x) > 2", none));
  EXPECT_TRUE(holds("all(s.x) > 2", none));
  EXPECT_FALSE(holds("min(s.x) < 2", none));
  EXPECT_FALSE(holds("max(s.x) != 2", none));
  EXPECT_TRUE(holds("rows(s.x) == 0", none));
  EXPECT_TRUE(holds("rows(s.x) == 2", texts({"a", "b"})));
}

TEST(Condition, WhatIsNotUnderstood) {
  for (const char* bad :
       {"", "s.x", "s.x >", "> 1", "s.x = 1", "s.x > one", "s.x > 1 and s.y > 1", "some(s.x) > 1",
        "any(s.x > 1", "any s.x > 1", "s.x => 1", "(s.x) > 1", "s.x > 1 1", "any() > 1"}) {
    EXPECT_FALSE(read_condition(bad)) << bad;
  }
}

}  // namespace
}  // namespace millrace::serving
