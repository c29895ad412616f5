#include "serving/pipeline/number_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "serving/pipeline/step_rig.h"

namespace millrace::serving {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

const float kNan = std::nanf("");

TEST(NumberSteps, SoftmaxOfEachRow) {
  const StepRig rig;
  // numpy: exp([1,2,3]) / sum
  const auto out = rig.run("softmax", "", {floats({2, 3}, {1, 2, 3, 1000, 1000, -1000})});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(f32s(out->at(0)),
              ElementsAre(FloatNear(0.09003057f, 1e-6f), FloatNear(0.24472848f, 1e-6f),
                          FloatNear(0.66524094f, 1e-6f), 0.5f, 0.5f, 0.0f));
}

TEST(NumberSteps, SoftmaxAlongAnyAxis) {
  const StepRig rig;
  const auto out = rig.run("softmax", "axis = 0", {floats({2, 2}, {0, 5, 0, 5})});
  ASSERT_TRUE(out);
  EXPECT_THAT(f32s(out->at(0)), ElementsAre(0.5f, 0.5f, 0.5f, 0.5f));
  EXPECT_THAT(rig.error("softmax", "axis = 2", {floats({2, 2}, {0, 5, 0, 5})}),
              HasSubstr("no axis 2"));
  EXPECT_TRUE(rig.run("softmax", "", {floats({0, 3}, {})}));
  EXPECT_TRUE(rig.run("softmax", "", {floats({3, 0}, {})}));
}

TEST(NumberSteps, TopKIsSortedAndTiesGoToTheLowerIndex) {
  const StepRig rig;
  const auto out = rig.run("top_k", "k = 3", {floats({2, 4}, {1, 7, 7, 0, kNan, -1, 5, kNan})});
  ASSERT_TRUE(out);
  EXPECT_THAT(i64s(out->at(1)), ElementsAre(1, 2, 0, 2, 1, 0));
  const std::vector<float> values = f32s(out->at(0));
  EXPECT_THAT(std::vector(values.begin(), values.begin() + 5), ElementsAre(7, 7, 1, 5, -1));
  EXPECT_TRUE(std::isnan(values[5]));
  EXPECT_EQ(out->at(0).shape, (Shape{2, 3}));
  const auto all = rig.run("top_k", "k = 9", {floats({4}, {1, 2, 3, 4})});
  ASSERT_TRUE(all) << "there are no nine: those there are";
  EXPECT_EQ(all->at(1).shape, Shape{4});
  EXPECT_TRUE(rig.run("top_k", "k = 2", {floats({0, 4}, {})}));
}

TEST(NumberSteps, TopKNamesItsLabels) {
  const StepRig rig;
  rig.file("names.txt", "cat\r\ndog\n\nfish");
  const auto out =
      rig.run("top_k", "k = 2\nlabels = 'names.txt'", {floats({1, 5}, {1, 9, 3, 4, 5})});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(strings(out->at(2)), ElementsAre("dog", "4")) << "an index where no label is";
  EXPECT_THAT(rig.error("top_k", "labels = '../names.txt'", {floats({1, 2}, {1, 9})}),
              HasSubstr("p.toml:1: step 's': labels: there is no file"));
  EXPECT_THAT(rig.error("top_k", "k = 0", {floats({1, 2}, {1, 9})}),
              HasSubstr("k: 0 is not between 1 and"));
}

TEST(NumberSteps, ArgmaxHasOneAxisLess) {
  const StepRig rig;
  const auto out =
      rig.run("argmax", "", {value<std::uint8_t>(DType::u8, {2, 3}, {1, 9, 3, 4, 5, 255})});
  ASSERT_TRUE(out);
  EXPECT_THAT(i64s(out->at(1)), ElementsAre(1, 2));
  EXPECT_EQ(out->at(1).shape, Shape{2});
  EXPECT_NE(rig.error("argmax", "", {floats({2, 0}, {})}), "");
  EXPECT_NE(rig.error("argmax", "", {texts({"a"})}), "");
}

TEST(NumberSteps, Threshold) {
  const StepRig rig;
  const auto out =
      rig.run("threshold", "above = 0.25\nbelow = 1", {floats({4}, {0.25f, 0.5f, 1, kNan})});
  ASSERT_TRUE(out);
  EXPECT_THAT(elements_of<std::uint8_t>(out->at(0)), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(rig.error("threshold", "", {floats({1}, {1})}), HasSubstr("say above or below"));
}

TEST(NumberSteps, FilterKeepsRowsAndWhatBelongsToThem) {
  const StepRig rig;
  const auto scores = floats({4}, {0.9f, 0.1f, 0.8f, 0.95f});
  const auto boxes = floats({4, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
  const auto out = rig.run("filter", "above = 0.5", {scores, boxes});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(f32s(out->at(0)), ElementsAre(0.9f, 0.8f, 0.95f));
  EXPECT_THAT(i64s(out->at(1)), ElementsAre(0, 2, 3));
  EXPECT_THAT(f32s(out->at(2)), ElementsAre(0, 1, 4, 5, 6, 7));
  const auto best = rig.run("filter", "above = 0.5\nmax_rows = 2", {scores, boxes});
  ASSERT_TRUE(best);
  EXPECT_THAT(i64s(best->at(1)), ElementsAre(0, 3));
  const auto none = rig.run("filter", "above = 5", {scores, boxes});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->at(2).shape, (Shape{0, 2}));
  EXPECT_EQ(rig.run("filter", "above = 0.5", {scores})->size(), 2u);
  EXPECT_NE(rig.error("filter", "above = 0.5", {boxes}), "") << "two scores a row";
  EXPECT_NE(rig.error("filter", "above = 0.5", {scores, floats({2}, {1, 2})}), "")
      << "fewer rows than scores";
  EXPECT_NE(rig.error("filter", "above = 0.5", {scores, floats({5}, {1, 2, 3, 4, 5})}), "");
}

TEST(NumberSteps, NothingLargerThanMayBe) {
  StepRig rig;
  rig.max_bytes = 100;
  for (const char* kind : {"softmax", "top_k", "argmax"}) {
    const auto out = rig.run(kind, "", {floats({100}, std::vector<float>(100, 1))});
    ASSERT_FALSE(out) << kind;
    EXPECT_EQ(out.error().kind, ErrorKind::too_large) << kind;
  }
}

TEST(NumberSteps, UnknownOptionsAreNamed) {
  const StepRig rig;
  EXPECT_EQ(rig.error("softmax", "axes = 1", {floats({1}, {1})}),
            "p.toml:1: step 's': axes: no such option here; this step has axis");
}

}  // namespace
}  // namespace millrace::serving
