#include "serving/pipeline/image_steps.h"

#include <gtest/gtest.h>

#include <cmath>

#include "image/decode.h"
#include "image/encode.h"
#include "serving/pipeline/box_steps.h"
#include "serving/pipeline/step_rig.h"

namespace millrace::serving {
namespace {

std::string png(int width, int height, image::Colour colour) {
  return *image::encode_png(image::filled(width, height, colour));
}

Value grid(int width, int height) {
  std::vector<std::uint8_t> bytes;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int c : {x, y, 7}) bytes.push_back(static_cast<std::uint8_t>(c));
    }
  }
  return value(DType::u8, Shape{height, width, 3}, bytes);
}

TEST(ImageSteps, AFileBecomesAPictureAndAFileAgain) {
  StepRig rig;
  const auto decoded = rig.run("decode_image", "", {texts({png(6, 5, {1, 2, 3})})});
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->at(0).shape, (Shape{5, 6, 3}));
  const auto file = rig.run("encode_image", "format = \"png\"", *decoded);
  ASSERT_TRUE(file) << file.error().message;
  const std::string bytes = strings(file->at(0)).at(0);
  EXPECT_EQ(image::decode(std::as_bytes(std::span(bytes))), image::filled(6, 5, {1, 2, 3}));
  EXPECT_TRUE(rig.run("encode_image", "quality = 50", *decoded));
  EXPECT_NE(rig.error("decode_image", "", {texts({"GIF8"})}), "");
  EXPECT_NE(rig.error("decode_image", "", {texts({})}), "");
  EXPECT_NE(rig.error("decode_image", "", {floats(Shape{1}, {1})}), "");
  rig.max_bytes = 80;
  EXPECT_NE(rig.error("decode_image", "", {texts({png(6, 5, {1, 2, 3})})}), "");
}

TEST(ImageSteps, APictureBecomesATensorAndBoxesComeBack) {
  StepRig rig;
  const Value picture = grid(40, 20);
  const auto fitted =
      rig.run("fit_image", "size = [20, 20]\nresize = \"letterbox\"\nscale = 1", {picture});
  ASSERT_TRUE(fitted) << fitted.error().message;
  EXPECT_EQ(fitted->at(0).shape, (Shape{1, 3, 20, 20}));
  EXPECT_EQ(f32s(fitted->at(1)), (std::vector<float>{0.5f, 0.5f, 0, 5}));
  const auto back = rig.run("boxes_to_picture", "",
                            {floats(Shape{1, 4}, {5, 5, 10, 30}), fitted->at(1), picture});
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(f32s(back->at(0)), (std::vector<float>{10, 0, 20, 20}));
  const auto parts =
      rig.run("boxes_to_picture", "normalised = [20, 20]",
              {floats(Shape{1, 1, 4}, {0.5f, 0.5f, 1, 0.75f}), fitted->at(1), picture});
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(f32s(parts->at(0)), (std::vector<float>{20, 10, 40, 20}));
  EXPECT_NE(rig.error("fit_image", "", {picture}), "");
  EXPECT_NE(rig.error("fit_image", "size = [4, 4]\nstd = [0]", {picture}), "");
  EXPECT_NE(rig.error("fit_image", "size = [4, 4]\nmean = [1, 2]", {picture}), "");
  EXPECT_NE(
      rig.error("fit_image", "size = [4, 4]", {floats(Shape{2, 2, 3}, std::vector<float>(12))}),
      "");
  rig.max_bytes = 100;
  EXPECT_NE(rig.error("fit_image", "size = [20, 20]", {picture}), "");
}

TEST(ImageSteps, PartsInBoxes) {
  StepRig rig;
  const float nan = std::nanf("");
  const auto parts = rig.run(
      "crop_boxes", "size = [2, 2]\ndtype = \"UINT8\"\nlayout = \"nhwc\"\nfilter = \"nearest\"",
      {grid(40, 20),
       floats(Shape{4, 4}, {10, 4, 12, 6, -5, -5, 2, 2, 30, 30, 50, 50, nan, 0, 0, 0})});
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->at(0).shape, (Shape{4, 2, 2, 3}));
  const auto bytes = elements_of<std::uint8_t>(parts->at(0));
  EXPECT_EQ(std::vector(bytes.begin(), bytes.begin() + 6),
            (std::vector<std::uint8_t>{10, 4, 7, 11, 4, 7}));
  EXPECT_EQ(bytes[24], 114);  // nothing of the picture is in it
  const auto none = rig.run("crop_boxes", "size = [2, 2]", {grid(4, 4), floats(Shape{0, 4}, {})});
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(none->at(0).shape, (Shape{0, 3, 2, 2}));
  EXPECT_NE(rig.error("crop_boxes", "size = [2, 2]", {grid(4, 4), floats(Shape{1, 3}, {1, 2, 3})}),
            "");
}

TEST(ImageSteps, BoxesAreDrawn) {
  StepRig rig;
  const auto drawn =
      rig.run("draw_boxes", "thickness = 1",
              {grid(8, 8), floats(Shape{1, 4}, {1, 1, 5, 5}), integers(Shape{1}, {2})});
  ASSERT_TRUE(drawn) << drawn.error().message;
  const auto bytes = elements_of<std::uint8_t>(drawn->at(0));
  EXPECT_EQ(bytes[3 * (8 + 1)], 0);  // the third colour
  EXPECT_EQ(bytes[3 * (8 + 1) + 2], 200);
  EXPECT_EQ(bytes[3 * (8 * 3 + 3)], 3);  // inside
  EXPECT_TRUE(rig.run("draw_boxes", "", {grid(8, 8), floats(Shape{0, 4}, {})}));
  EXPECT_NE(rig.error("draw_boxes", "",
                      {grid(8, 8), floats(Shape{1, 4}, {1, 1, 5, 5}), integers(Shape{2}, {1, 2})}),
            "");
}

TEST(BoxSteps, SuppressionAndYolox) {
  StepRig rig;
  const auto kept = rig.run("nms", "score_threshold = 0.5",
                            {floats(Shape{1, 3, 4}, {0, 0, 10, 10, 1, 0, 10, 10, 20, 20, 30, 30}),
                             floats(Shape{1, 3, 1}, {0.6f, 0.9f, 0.4f})});
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_EQ(f32s(kept->at(0)), (std::vector<float>{1, 0, 10, 10}));
  EXPECT_EQ(f32s(kept->at(1)), (std::vector<float>{0.9f}));
  EXPECT_EQ(i64s(kept->at(2)), (std::vector<std::int64_t>{0}));
  EXPECT_NE(rig.error("nms", "", {floats(Shape{1, 4}, {1, 2, 3, 4}), floats(Shape{2, 1}, {1, 2})}),
            "");
  std::vector<float> rows(21 * 6, 0.0f);
  rows[20 * 6 + 4] = rows[20 * 6 + 5] = 1;
  const auto found = rig.run("yolox_boxes", "size = [32, 32]", {floats(Shape{1, 21, 6}, rows)});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(f32s(found->at(0)), (std::vector<float>{-16, -16, 16, 16}));
  EXPECT_NE(rig.error("yolox_boxes", "size = [64, 32]", {floats(Shape{1, 21, 6}, rows)}), "");
  EXPECT_NE(rig.error("yolox_boxes", "", {floats(Shape{1, 21, 6}, rows)}), "");
}

}  // namespace
}  // namespace millrace::serving
