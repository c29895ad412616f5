#include "models/rope_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/rope_tables.h"

namespace millrace::models {
namespace {

RopeConfig read(std::string_view text, int head_dim = 64, int max_position = 4096) {
  const json::object object = parse_json(text)->as_object();
  ConfigFields fields(object);
  RopeConfig rope = read_hf_rope(fields, head_dim, max_position);
  EXPECT_TRUE(fields.status().has_value()) << fields.status().error().message;
  return rope;
}

TEST(RopeConfig, OldAndNewSpellingsAgree) {
  const RopeConfig old_style =
      read(R"({"rope_theta": 500000, "rope_scaling": {"type": "linear", "factor": 4}})");
  const RopeConfig new_style = read(
      R"({"rope_parameters": {"rope_theta": 500000.0, "rope_type": "linear", "factor": 4.0}})");
  for (const RopeConfig& rope : {old_style, new_style}) {
    EXPECT_EQ(rope.theta, 500000.0);
    EXPECT_EQ(rope.scaling, RopeScaling::linear);
    EXPECT_EQ(rope.factor, 4.0);
    EXPECT_EQ(rope.rotary_dim, 64);
  }
}

TEST(RopeConfig, DefaultsAndPartialRotation) {
  EXPECT_EQ(read("{}").theta, 10000.0);
  EXPECT_EQ(read(R"({"rope_scaling": null})").scaling, RopeScaling::none);
  EXPECT_EQ(read(R"({"partial_rotary_factor": 0.5})", 80).rotary_dim, 40);
  const RopeConfig yarn = read(R"({"rope_scaling": {"type": "yarn", "factor": 4}})");
  EXPECT_EQ(yarn.original_max_position, 4096);  // the model's own where none is stated
  EXPECT_EQ(yarn.attention_factor, 0.0);
}

TEST(RopeConfig, MscaleGivesTheAttentionFactor) {
  const RopeConfig rope = read(
      R"({"rope_scaling": {"type": "yarn", "factor": 40, "mscale": 1.0, "mscale_all_dim": 0.5}})");
  const double stretch = 0.1 * std::log(40.0);
  EXPECT_NEAR(rope.attention_factor, (stretch + 1) / (0.5 * stretch + 1), 1e-12);
}

TEST(RopeTables, HoldCosinesAndSinesOfTheAngles) {
  const RopeConfig rope = read("{}", 8);
  const RopeTables tables = make_rope_tables(rope, 8, 100);
  EXPECT_EQ(tables.half_dim, 4);
  const float* cosine = tables.cosine.as<float>();
  const float* sine = tables.sine.as<float>();
  for (const int position : {0, 1, 99}) {
    for (int i = 0; i < 4; ++i) {
      const double angle = position * std::pow(10000.0, -2.0 * i / 8);
      EXPECT_NEAR(cosine[position * 4 + i], std::cos(angle), 1e-5);
      EXPECT_NEAR(sine[position * 4 + i], std::sin(angle), 1e-5);
    }
  }
}

TEST(RopeTables, YarnKeepsFastAndSlowsSlowFrequencies) {
  const RopeConfig plain = read("{}");
  const RopeConfig yarn = read(R"({"rope_scaling": {"type": "yarn", "factor": 8}})");
  const auto before = rope_frequencies(plain, 64);
  const auto after = rope_frequencies(yarn, 64);
  EXPECT_FLOAT_EQ(after.front(), before.front());
  EXPECT_FLOAT_EQ(after.back(), before.back() / 8);
}

}  // namespace
}  // namespace millrace::models
