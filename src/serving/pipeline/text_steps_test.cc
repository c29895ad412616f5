#include "serving/pipeline/text_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "serving/pipeline/step_rig.h"

namespace millrace::serving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Byte-level BPE over a few letters; "ab" is one token. </s> (9) ends what has special tokens.
constexpr std::string_view kTokenizer = R"({
  "added_tokens": [{"id": 9, "content": "</s>", "special": true, "single_word": false,
                    "lstrip": false, "rstrip": false, "normalized": false}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "decoder": {"type": "ByteLevel"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
    "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [9], "tokens": ["</s>"]}}},
  "model": {"type": "BPE", "vocab": {"a": 1, "b": 2, "c": 3, "ab": 4, "</s>": 9}, "merges": ["a b"]}
})";

TEST(TextSteps, Labels) {
  const StepRig rig;
  rig.file("l.txt", "cat\ndog\n");
  const auto out = rig.run("labels", "file = 'l.txt'", {integers({2, 2}, {1, 0, 7, -1})});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(strings(out->at(0)), ElementsAre("dog", "cat", "7", "-1"));
  EXPECT_EQ(out->at(0).shape, (Shape{2, 2}));
  EXPECT_NE(rig.error("labels", "", {integers({1}, {0})}), "");
  EXPECT_NE(rig.error("labels", "file = 'l.txt'", {floats({1}, {0})}), "");
  EXPECT_NE(rig.error("labels", "file = '/etc/passwd'", {integers({1}, {0})}), "");
}

TEST(TextSteps, TokenisePadsAndMasks) {
  const StepRig rig;
  rig.file("tokenizer.json", kTokenizer);
  const auto out =
      rig.run("tokenise", "tokenizer = 'tokenizer.json'\npad_id = 5", {texts({"abc", "c", ""})});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(out->at(0).shape, (Shape{3, 3}));
  EXPECT_THAT(i64s(out->at(0)), ElementsAre(4, 3, 9, 3, 9, 5, 9, 5, 5));
  EXPECT_THAT(i64s(out->at(1)), ElementsAre(1, 1, 1, 1, 1, 0, 1, 0, 0));
  EXPECT_THAT(i64s(out->at(2)), testing::Each(0));
}

TEST(TextSteps, TokeniseKeepsTheEndOfWhatItCuts) {
  const StepRig rig;
  rig.file("tokenizer.json", kTokenizer);
  const auto out = rig.run("tokenise",
                           "tokenizer = 'tokenizer.json'\nmax_length = 3\npad = 'max_length'\n"
                           "dtype = 'INT32'",
                           {texts({"aaaaaaa", "a"})});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(elements_of<std::int32_t>(out->at(0)), ElementsAre(1, 1, 9, 1, 9, 0));
  const auto plain = rig.run("tokenise", "tokenizer = 'tokenizer.json'\nadd_special_tokens = false",
                             {texts({"a</s>"})});
  ASSERT_TRUE(plain);
  EXPECT_THAT(i64s(plain->at(0)), testing::Not(testing::Contains(9)))
      << "what a client writes is text";
}

TEST(TextSteps, TokeniseNeedsATokenizer) {
  const StepRig rig;
  rig.file("bad.json", "{}");
  EXPECT_THAT(rig.error("tokenise", "", {texts({"a"})}), HasSubstr("tokenizer: is missing"));
  EXPECT_THAT(rig.error("tokenise", "tokenizer = 'bad.json'", {texts({"a"})}),
              HasSubstr("p.toml:1: step 's': tokenizer: "));
  rig.file("tokenizer.json", kTokenizer);
  EXPECT_NE(rig.error("tokenise", "tokenizer = 'tokenizer.json'", {floats({1}, {1})}), "");
  const auto none = rig.run("tokenise", "tokenizer = 'tokenizer.json'", {texts({})});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->at(0).shape, (Shape{0, 1}));
}

json::value parsed(const Result<std::vector<Value>>& out) {
  MILLRACE_CHECK(out.has_value());
  auto value = parse_json(strings(out->at(0)).at(0));
  MILLRACE_CHECK(value.has_value());
  return *value;
}

TEST(TextSteps, MapJsonNestsAsTheShapeSays) {
  const StepRig rig;
  const auto out = rig.run("map_json", "",
                           {floats({2, 2}, {1, 0.1f, std::nanf(""), 4}), texts({"a\"\xff", "ü"}),
                            value<std::uint8_t>(DType::boolean, {2}, {1, 0}),
                            value<std::uint64_t>(DType::u64, {1}, {~std::uint64_t{0}})},
                           {"x", "names", "flags", "big"});
  const json::value object = parsed(out);
  EXPECT_EQ(json::serialize(object.at("x")), "[[1,1E-1],[null,4]]");
  EXPECT_EQ(object.at("names").at(0).as_string(), "a\"\xEF\xBF\xBD");
  EXPECT_EQ(object.at("names").at(1).as_string(), "ü");
  EXPECT_EQ(json::serialize(object.at("flags")), "[true,false]");
  EXPECT_EQ(object.at("big").at(0).as_uint64(), ~std::uint64_t{0});
  EXPECT_EQ(out->at(0).shape, Shape{1});
}

TEST(TextSteps, MapJsonOfEachRow) {
  const StepRig rig;
  const auto out = rig.run("map_json", "each_row = true",
                           {texts({"cat", "dog"}), floats({2, 2}, {1, 2, 3, 4})}, {"label", "box"});
  EXPECT_EQ(json::serialize(parsed(out)),
            R"([{"label":"cat","box":[1,2]},{"label":"dog","box":[3,4]}])");
  EXPECT_EQ(json::serialize(parsed(rig.run("map_json", "each_row = true", {texts({})}, {"label"}))),
            "[]");
  EXPECT_FALSE(rig.run("map_json", "each_row = true", {texts({"cat"}), floats({2}, {1, 2})},
                       {"label", "score"}));
  EXPECT_FALSE(rig.run("map_json", "", {texts({"a"}), texts({"b"})}, {"same", "same"}));
}

TEST(TextSteps, MapJsonIsBounded) {
  StepRig rig;
  rig.max_bytes = 1000;
  const auto out = rig.run("map_json", "", {floats({100}, std::vector<float>(100, 1))}, {"x"});
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().kind, ErrorKind::too_large);
}

TEST(TextSteps, ReadsLabels) {
  EXPECT_THAT(read_labels("a\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(read_labels("a\r\n\n"), ElementsAre("a", ""));
  EXPECT_TRUE(read_labels("").empty());
  EXPECT_EQ(label_of({"a"}, 1), "1");
}

}  // namespace
}  // namespace millrace::serving
