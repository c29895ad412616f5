#include "base/json.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

std::string code_of(std::string_view text, const JsonLimits& limits = {}) {
  auto parsed = parse_json(text, limits);
  return parsed ? "ok" : parsed.error().code;
}

TEST(Json, ParsesEveryKind) {
  auto parsed =
      parse_json(R"( {"a":[1,-2,18446744073709551615,1.5e3,"x\u00e9\n",true,null],"b":{}} )");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->at("a").as_array().size(), 7u);
  EXPECT_EQ(parsed->at("a").at(2).as_uint64(), 18446744073709551615ull);
  EXPECT_EQ(parsed->at("a").at(4).as_string(), "x\xc3\xa9\n");
  EXPECT_TRUE(parsed->at("b").as_object().empty());
}

TEST(Json, NestedContainersKeepTheirPlace) {
  auto parsed = parse_json(R"([[1,[2]],{"k":{"m":[3]},"n":4},5])");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(dump_json(*parsed), R"([[1,[2]],{"k":{"m":[3]},"n":4},5])");
}

TEST(Json, RefusesWhatRfc8259Refuses) {
  for (const char* text : {"",
                           "{",
                           "[1,]",
                           "{\"a\":1,}",
                           "nul",
                           "NaN",
                           "Infinity",
                           "01",
                           "+1",
                           "'a'",
                           "[1] x",
                           "\"\\ud800\"",
                           "\"\xff\"",
                           "\"\xc0\xaf\"",
                           "\xef\xbb\xbf{}",
                           "{\"a\":1,\"a\":2}",
                           "\"\t\"",
                           "1e999",
                           "[1}",
                           "// c\n1"}) {
    EXPECT_EQ(code_of(text), "invalid_json") << text;
  }
}

TEST(Json, ReadsTheSameIntoScratchMemory) {
  const std::string small =
      R"({"a":[1,-2.5,true,null,{"a name too long to be short":"a text \u00fc too long to be"}],"b":""})";
  std::string large = "[";
  for (int i = 0; i < 1000; ++i) large += "\"some text " + std::to_string(i) + "\",";
  large += "0]";
  for (const std::string& text : {small, large}) {
    JsonScratch scratch;
    const auto value = parse_json(text, {}, scratch.memory_for(text));
    ASSERT_TRUE(value);
    EXPECT_EQ(*value, *parse_json(text));
  }
}

TEST(Json, HoldsItsLimits) {
  JsonLimits limits;
  limits.max_depth = 3;
  EXPECT_EQ(code_of("[[[1]]]", limits), "ok");
  EXPECT_EQ(code_of("[[[[1]]]]", limits), "json_too_deep");
  EXPECT_EQ(code_of(std::string(100'000, '['), {}), "json_too_deep");
  limits.max_values = 4;
  EXPECT_EQ(code_of("[1,2,3]", limits), "ok");
  EXPECT_EQ(code_of("[1,2,3,4]", limits), "invalid_json");
  limits.max_keys_per_object = 1;
  EXPECT_EQ(code_of(R"({"a":1,"b":2})", limits), "invalid_json");
  limits.max_bytes = 2;
  EXPECT_EQ(code_of("[1]", limits), "body_too_large");
}

}  // namespace
}  // namespace millrace
