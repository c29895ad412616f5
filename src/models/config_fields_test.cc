#include "models/config_fields.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace millrace::models {
namespace {

json::object parsed(std::string_view text) {
  return parse_json(text)->as_object();
}

TEST(ConfigFields, ReadsTypedValues) {
  const json::object object = parsed(
      R"({"a": 3, "b": 2.5, "c": true, "d": "x", "e": null, "f": 1e4, "g": [1, 2], "h": 7})");
  ConfigFields fields(object);
  EXPECT_EQ(fields.integer("a", 0, 10), 3);
  EXPECT_EQ(fields.integer("f", 0, 100'000), 10'000);
  EXPECT_EQ(fields.integer("missing", 0, 10, 4), 4);
  EXPECT_EQ(fields.integer("e", 0, 10, 5), 5);  // null is absent
  EXPECT_EQ(fields.number("b", 0, 10), 2.5);
  EXPECT_EQ(fields.number("a", 0, 10), 3.0);
  EXPECT_TRUE(fields.flag("c", false));
  EXPECT_EQ(fields.text("d", ""), "x");
  EXPECT_EQ(fields.token_ids("g"), (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(fields.token_ids("h"), std::vector<std::int32_t>{7});
  EXPECT_TRUE(fields.token_ids("missing").empty());
  EXPECT_TRUE(fields.status().has_value());
}

TEST(ConfigFields, FirstFailureSticksAndNamesTheField) {
  const json::object object = parsed(R"({"heads": 0, "width": "wide"})");
  ConfigFields fields(object);
  EXPECT_EQ(fields.integer("heads", 1, 64), 1);
  fields.integer("width", 1, 64);
  ASSERT_FALSE(fields.status().has_value());
  EXPECT_EQ(fields.status().error().message, "config.json: heads is 0, expected 1 to 64");
  EXPECT_EQ(fields.status().error().param, "heads");
}

TEST(ConfigFields, EveryWrongTypeIsAnError) {
  const json::object object =
      parsed(R"({"s": "x", "o": {}, "b": true, "r": 1.5, "n": 1, "l": ["x"], "big": 1e300})");
  const auto fails = [&](auto read) {
    ConfigFields fields(object);
    read(fields);
    return !fields.status().has_value();
  };
  EXPECT_TRUE(fails([](auto& f) { f.integer("s", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.integer("o", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.integer("b", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.integer("r", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.integer("missing", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.integer("big", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.number("s", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.number("big", 0, 9); }));
  EXPECT_TRUE(fails([](auto& f) { f.flag("n", true); }));
  EXPECT_TRUE(fails([](auto& f) { f.text("n", ""); }));
  EXPECT_TRUE(fails([](auto& f) { f.token_ids("l"); }));
  EXPECT_TRUE(fails([](auto& f) { f.object("n"); }));
  EXPECT_TRUE(fails([](auto& f) { f.template choice<int>("s", "y", {{"y", 1}}); }));
}

TEST(ConfigFields, NotANumberIsNoNumber) {
  json::object object;
  object["eps"] = std::numeric_limits<double>::quiet_NaN();
  object["theta"] = HUGE_VAL;
  ConfigFields fields(object);
  fields.number("eps", 0, 1);
  EXPECT_FALSE(fields.status().has_value());
  ConfigFields others(object);
  others.number("theta", 0, HUGE_VAL);
  EXPECT_FALSE(others.status().has_value());
}

TEST(ConfigFields, LimitsAreCutNotRefused) {
  const json::object object = parsed(R"({"context": 2147483648, "huge": 18446744073709551615})");
  ConfigFields fields(object);
  EXPECT_EQ(fields.integer_up_to("context", 1, 1 << 20), 1 << 20);
  EXPECT_EQ(fields.integer_up_to("huge", 1, 1 << 20), 1 << 20);
  EXPECT_TRUE(fields.status().has_value());
}

}  // namespace
}  // namespace millrace::models
