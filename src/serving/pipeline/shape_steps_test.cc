#include "serving/pipeline/shape_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "serving/pipeline/step_rig.h"

namespace millrace::serving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ShapeSteps, ConcatAlongEachAxis) {
  const StepRig rig;
  const auto a = floats({2, 1}, {1, 2}), b = floats({2, 2}, {3, 4, 5, 6});
  const auto wide = rig.run("concat", "axis = 1", {a, b});
  ASSERT_TRUE(wide) << wide.error().message;
  EXPECT_THAT(f32s(wide->at(0)), ElementsAre(1, 3, 4, 2, 5, 6));
  EXPECT_EQ(wide->at(0).shape, (Shape{2, 3}));
  const auto tall = rig.run("concat", "", {b, b});
  ASSERT_TRUE(tall);
  EXPECT_EQ(tall->at(0).shape, (Shape{4, 2}));
  EXPECT_NE(rig.error("concat", "", {a, b}), "") << "columns differ";
  EXPECT_NE(rig.error("concat", "axis = 2", {a, b}), "");
  EXPECT_THAT(rig.error("concat", "", {a, integers({2, 1}, {1, 2})}), HasSubstr("cast one"));
  const auto words = rig.run("concat", "", {texts({"a"}), texts({}), texts({"bc", ""})});
  ASSERT_TRUE(words);
  EXPECT_THAT(strings(words->at(0)), ElementsAre("a", "bc", ""));
  EXPECT_TRUE(rig.run("concat", "axis = 1", {floats({0, 2}, {}), floats({0, 3}, {})}));
}

TEST(ShapeSteps, StackAddsAnAxis) {
  const StepRig rig;
  const auto out = rig.run("stack", "", {floats({2}, {1, 2}), floats({2}, {3, 4})});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->at(0).shape, (Shape{2, 2}));
  EXPECT_THAT(f32s(out->at(0)), ElementsAre(1, 2, 3, 4));
  EXPECT_NE(rig.error("stack", "", {floats({2}, {1, 2}), floats({1}, {3})}), "");
}

TEST(ShapeSteps, ReshapeIsTheSameBytes) {
  const StepRig rig;
  const auto x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto out = rig.run("reshape", "shape = [3, -1]", {x});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->at(0).shape, (Shape{3, 2}));
  EXPECT_EQ(out->at(0).data.data(), x.data.data());
  EXPECT_NE(rig.error("reshape", "shape = [4, -1]", {x}), "");
  EXPECT_NE(rig.error("reshape", "shape = [0, -1]", {x}), "");
  EXPECT_NE(rig.error("reshape", "shape = [-1, -1]", {x}), "");
  EXPECT_NE(rig.error("reshape", "", {x}), "");
  EXPECT_NE(rig.error("reshape", "shape = [1000000000000, 1000000000000]", {x}), "");
}

TEST(ShapeSteps, CastRoundsAndClamps) {
  const StepRig rig;
  const float inf = std::numeric_limits<float>::infinity();
  const auto x = floats({6}, {1.5f, -2.7f, 300, -inf, inf, std::nanf("")});
  const auto bytes = rig.run("cast", "dtype = 'UINT8'", {x});
  ASSERT_TRUE(bytes);
  EXPECT_THAT(elements_of<std::uint8_t>(bytes->at(0)), ElementsAre(2, 0, 255, 0, 255, 0));
  const auto whole = rig.run("cast", "dtype = 'INT64'", {x});
  ASSERT_TRUE(whole);
  EXPECT_EQ(i64s(whole->at(0)).at(3), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(i64s(whole->at(0)).at(4), std::numeric_limits<std::int64_t>::max());
  const auto half = rig.run("cast", "dtype = 'FP16'", {x});
  ASSERT_TRUE(half);
  EXPECT_EQ(number_at(half->at(0), 0), 1.5);
  const auto brain = rig.run("cast", "dtype = 'BF16'", {x});
  ASSERT_TRUE(brain);
  EXPECT_EQ(number_at(brain->at(0), 2), 300);
  EXPECT_NE(rig.error("cast", "dtype = 'BYTES'", {x}), "");
  EXPECT_NE(rig.error("cast", "dtype = 'FP32'", {texts({"1"})}), "");
}

TEST(ShapeSteps, GatherPicksRows) {
  const StepRig rig;
  const auto x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto out = rig.run("gather", "", {x, integers({3}, {2, 0, 2})});
  ASSERT_TRUE(out);
  EXPECT_THAT(f32s(out->at(0)), ElementsAre(5, 6, 1, 2, 5, 6));
  EXPECT_THAT(rig.error("gather", "", {x, integers({1}, {3})}), HasSubstr("no row 3"));
  EXPECT_THAT(rig.error("gather", "", {x, integers({1}, {-1})}), HasSubstr("no row -1"));
  const auto words = rig.run("gather", "", {texts({"a", "", "ccc"}), integers({2}, {2, 1})});
  ASSERT_TRUE(words);
  EXPECT_THAT(strings(words->at(0)), ElementsAre("ccc", ""));
  EXPECT_EQ(rig.run("gather", "", {x, integers({0}, {})})->at(0).shape, (Shape{0, 2}));
  EXPECT_NE(rig.error("gather", "", {x, floats({1}, {0})}), "");
}

TEST(ShapeSteps, ChooseTakesTheFirstThatHasRows) {
  const StepRig rig;
  const auto none = floats({0, 2}, {}), one = floats({1, 2}, {1, 2}),
             two = floats({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(num_rows(rig.run("choose", "", {none, two, one})->at(0)), 2);
  EXPECT_EQ(num_rows(rig.run("choose", "", {none, none})->at(0)), 0);
}

TEST(ShapeSteps, Constants) {
  const StepRig rig;
  const auto numbers = rig.run("constant", "values = [1, 2.5]", {});
  ASSERT_TRUE(numbers) << numbers.error().message;
  EXPECT_THAT(f32s(numbers->at(0)), ElementsAre(1, 2.5));
  const auto shaped = rig.run("constant", "values = [1, 2]\nshape = [1, 2]\ndtype = 'INT64'", {});
  ASSERT_TRUE(shaped);
  EXPECT_EQ(shaped->at(0).shape, (Shape{1, 2}));
  EXPECT_THAT(strings(rig.run("constant", "values = ['a', 'b']\ndtype = 'BYTES'", {})->at(0)),
              ElementsAre("a", "b"));
  EXPECT_NE(rig.error("constant", "values = [1, 2]\nshape = [3]", {}), "");
  EXPECT_NE(rig.error("constant", "values = ['a']", {}), "");
  EXPECT_NE(rig.error("constant", "", {}), "");
}

// What a client may send: no elements, and a product of sizes beyond 64 bits.
TEST(ShapeSteps, HugeSizesOfNothing) {
  const StepRig rig;
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  const auto x = floats({0, kHuge, 4}, {}), y = floats({kHuge, 0}, {});
  EXPECT_TRUE(rig.run("concat", "", {x, x}));
  EXPECT_FALSE(rig.run("concat", "", {y, y, y}));
  EXPECT_TRUE(rig.run("choose", "", {x, y}));
  EXPECT_TRUE(rig.run("gather", "", {x, integers({0}, {})}));
  EXPECT_FALSE(rig.run("map_json", "", {y}, {"y"}));
  EXPECT_FALSE(rig.run("map_json", "each_row = true", {y}, {"y"}));
}

}  // namespace
}  // namespace millrace::serving
