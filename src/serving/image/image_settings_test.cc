#include "serving/image/image_settings.h"

#include <gtest/gtest.h>

#include <fstream>

#include "serving/fake_model.h"
#include "serving/image/image_model.h"
#include "serving/model_settings.h"

namespace millrace::serving {
namespace {

class ImageSettingsTest : public testing::Test {
 protected:
  Result<std::optional<ImageSettings>> read(const std::string& table) {
    return read_image_settings("max-batch-size = 4\n[image]\n" + table, "model.toml",
                               folder.path());
  }
  std::string error(const std::string& table) {
    const auto settings = read(table);
    return settings ? std::string() : settings.error().message;
  }
  void write(const char* name, const std::string& text) {
    std::ofstream(folder.path() / name) << text;
  }
  TemporaryFolder folder;
};

TEST_F(ImageSettingsTest, NoTableIsNothing) {
  const auto none = read_image_settings("max-batch-size = 4", "model.toml", folder.path());
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

TEST_F(ImageSettingsTest, EveryKey) {
  const auto read_back = read(R"(task = "detect"
labels = ["cat", "dog"]
input = "x"
output = "y"
size = [320, 240]
resize = "stretch"
crop = 0.9
filter = "bicubic"
pad = [1, 2, 3]
pad-place = "around"
channels = "bgr"
layout = "nhwc"
scale = 1
mean = [0.5]
std = [1, 2, 3]
softmax = false
format = "boxes_scores"
boxes = "normalised"
score-threshold = 0.5
iou_threshold = 0.6
max-detections = 7
)");
  ASSERT_TRUE(read_back) << read_back.error().message;
  const ImageSettings& s = **read_back;
  EXPECT_EQ(s.task, ImageTask::detect);
  EXPECT_EQ(s.labels, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(s.input, "x");
  EXPECT_EQ(s.output, "y");
  EXPECT_EQ(s.width, 320);
  EXPECT_EQ(s.height, 240);
  EXPECT_EQ(s.fit, image::Fit::stretch);
  EXPECT_EQ(s.crop_fraction, 0.9);
  EXPECT_EQ(s.filter, image::Filter::bicubic);
  EXPECT_EQ(s.pad.b, 3);
  EXPECT_TRUE(s.pad_centred);
  EXPECT_EQ(s.channels, image::Channels::bgr);
  EXPECT_EQ(s.layout, image::Layout::nhwc);
  EXPECT_EQ(s.scale, 1.0);
  EXPECT_EQ(s.mean, (std::vector<double>{0.5}));
  EXPECT_EQ(s.deviation, (std::vector<double>{1, 2, 3}));
  EXPECT_FALSE(s.softmax);
  EXPECT_EQ(s.format, DetectFormat::boxes_scores);
  EXPECT_TRUE(s.normalised);
  EXPECT_EQ(s.score_threshold, 0.5);
  EXPECT_EQ(s.iou_threshold, 0.6);
  EXPECT_EQ(s.max_detections, 7);
}

TEST_F(ImageSettingsTest, DefaultsFollowTheTask) {
  const auto classify = read("task = \"classify\"");
  ASSERT_TRUE(classify);
  EXPECT_EQ((*classify)->fit, image::Fit::crop);
  EXPECT_TRUE((*classify)->softmax);
  const auto yolox = read("task = \"detect\"");
  ASSERT_TRUE(yolox);
  EXPECT_EQ((*yolox)->fit, image::Fit::letterbox);
  EXPECT_FALSE((*yolox)->pad_centred);
  EXPECT_TRUE((*read("task = \"detect\"\nformat = \"boxes_scores\""))->pad_centred);
}

TEST_F(ImageSettingsTest, LabelsFromAFile) {
  write("labels.txt", "a\r\nb c\n\nd");
  const auto lines = read("task = \"classify\"\nlabels = \"labels.txt\"");
  ASSERT_TRUE(lines) << lines.error().message;
  EXPECT_EQ((*lines)->labels, (std::vector<std::string>{"a", "b c", "", "d"}));
  write("labels.json", " [\"x\", \"y\"]");
  const auto array = read("task = \"classify\"\nlabels = \"labels.json\"");
  ASSERT_TRUE(array) << array.error().message;
  EXPECT_EQ((*array)->labels, (std::vector<std::string>{"x", "y"}));
}

TEST_F(ImageSettingsTest, ErrorsNameFileTableAndKey) {
  EXPECT_EQ(error(""), "model.toml: [image] task: it must be \"classify\" or \"detect\"");
  EXPECT_EQ(error("task = \"draw\""),
            "model.toml:3: [image] task: \"draw\" is not one of classify, detect");
  EXPECT_EQ(error("taks = 1"), "model.toml:3: [image] unknown setting \"taks\"");
  const std::string task = "task = \"classify\"\n";
  EXPECT_EQ(error(task + "size = [224]"),
            "model.toml:4: [image] size: 2 numbers are wanted, not 1");
  EXPECT_NE(error(task + "size = [224, 0]").find("[image] size: each side"), std::string::npos);
  EXPECT_NE(error(task + "size = [224.5, 10]").find("[image] size: each side"), std::string::npos);
  EXPECT_NE(error(task + "size = [9000, 10]").find("[image] size: each side"), std::string::npos);
  EXPECT_NE(error(task + "pad = [0, 0, 256]").find("[image] pad: "), std::string::npos);
  EXPECT_NE(error(task + "mean = [1, 2]").find("[image] mean: 1 or 3"), std::string::npos);
  EXPECT_NE(error(task + "std = [0]").find("[image] std: it must not be 0"), std::string::npos);
  EXPECT_NE(error(task + "crop = 0").find("[image] crop: 0 is not between"), std::string::npos);
  EXPECT_NE(error(task + "labels = \"none.txt\"").find("[image] labels: "), std::string::npos);
  EXPECT_NE(error(task + "labels = \"../x\"").find("[image] labels: "), std::string::npos);
  write("labels.json", "[1]");
  EXPECT_NE(error(task + "labels = \"labels.json\"").find("strings only"), std::string::npos);
  write("labels.json", "[");
  EXPECT_NE(error(task + "labels = \"labels.json\"").find("[image] labels: "), std::string::npos);
}

TEST_F(ImageSettingsTest, ModelTomlLetsTheTableThrough) {
  write("model.toml", "max-batch-size = 4\n[image]\ntask = \"detect\"\n");
  FoundModel model;
  const auto apply = [&] {
    const auto file = read_settings_file(folder.path());
    return file && *file ? apply_model_settings(**file, false, model) : Status(invalid("no file"));
  };
  const Status done = apply();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(model.spec.max_batch_size, 4);
  ASSERT_TRUE(model.image);
  EXPECT_EQ(model.image->task, ImageTask::detect);
  EXPECT_EQ(model.image->file, "model.toml");
  write("model.toml", "[imago]\ntask = \"detect\"\n");
  EXPECT_FALSE(apply());
}

// --- against the graph

ModelDescription graph(Shape in, Shape out, DType dtype = DType::f32) {
  ModelDescription d;
  d.inputs = {{.name = "x", .dtype = dtype, .shape = in}};
  d.outputs = {{.name = "y", .dtype = DType::f32, .shape = out}};
  return d;
}

std::string refusal(ImageSettings settings, const ModelDescription& d) {
  settings.file = "model.toml";
  const auto model = ImageModel::make(std::move(settings), d);
  return model ? std::string() : model.error().message;
}

TEST(ImageModel, TheGraphSaysWhatTheTableDoesNot) {
  const auto nchw = ImageModel::make({}, graph({-1, 3, 32, 48}, {-1, 10}));
  ASSERT_TRUE(nchw) << nchw.error().message;
  EXPECT_EQ(nchw->tensor_options().width, 48);
  EXPECT_EQ(nchw->tensor_options().height, 32);
  EXPECT_EQ(nchw->tensor_options().layout, image::Layout::nchw);
  EXPECT_EQ(nchw->tensor_options().channels, image::Channels::rgb);
  EXPECT_EQ(nchw->input_name(), "x");
  const auto nhwc = ImageModel::make({}, graph({1, 28, 28, 1}, {1, 10}, DType::u8));
  ASSERT_TRUE(nhwc) << nhwc.error().message;
  EXPECT_EQ(nhwc->tensor_options().layout, image::Layout::nhwc);
  EXPECT_EQ(nhwc->tensor_options().channels, image::Channels::grey);
  EXPECT_EQ(nhwc->tensor_options().dtype, DType::u8);
  const auto open = ImageModel::make({.width = 64, .height = 32}, graph({-1, 3, -1, -1}, {-1, 10}));
  ASSERT_TRUE(open) << open.error().message;
  EXPECT_EQ(open->tensor_options().width, 64);
}

TEST(ImageModel, WhatDoesNotGoTogetherIsRefused) {
  const Shape in{-1, 3, 32, 32}, out{-1, 10};
  const auto says = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_EQ(refusal({}, graph(in, out)), "");
  EXPECT_TRUE(says(refusal({.width = 16, .height = 32}, graph(in, out)),
                   "model.toml: [image] size: the graph wants [32, 32]"));
  EXPECT_TRUE(says(refusal({}, graph({-1, 3, -1, 32}, out)), "[image] size: the graph leaves"));
  EXPECT_TRUE(says(refusal({}, graph({1, 3, 32, 3}, out)), "[image] layout: "));
  EXPECT_TRUE(says(refusal({}, graph({1, 4, 32, 32}, out)), "[image] layout: "));
  EXPECT_TRUE(says(refusal({}, graph({8, 3, 32, 32}, out)), "[image] input: "));
  EXPECT_TRUE(says(refusal({}, graph({3, 32, 32}, out)), "[image] input: "));
  EXPECT_TRUE(says(refusal({}, graph(in, out, DType::i64)), "[image] input: "));
  EXPECT_TRUE(says(refusal({.input = "z"}, graph(in, out)), "[image] input: "));
  EXPECT_TRUE(says(refusal({.output = "z"}, graph(in, out)), "[image] output: "));
  EXPECT_TRUE(says(refusal({.channels = image::Channels::grey}, graph(in, out)), "channels: "));
  EXPECT_TRUE(says(refusal({.labels = {"a"}}, graph(in, out)),
                   "[image] labels: there are 1, but the output 'y' has 10 classes"));
  EXPECT_TRUE(says(refusal({.scale = 1.0}, graph(in, out, DType::u8)), "[image] scale: "));
  EXPECT_TRUE(says(refusal({}, ModelDescription{}), "[image] task: "));
  const ImageSettings yolox{.task = ImageTask::detect};
  EXPECT_TRUE(says(refusal(yolox, graph(in, {1, 21, 5})), "[image] format: "));
  EXPECT_EQ(refusal(yolox, graph(in, {1, 21, 7})), "");
  const ImageSettings two{.task = ImageTask::detect, .format = DetectFormat::boxes_scores};
  EXPECT_TRUE(
      says(refusal(two, graph(in, {1, 21, 4})), "[image] output: the graph has no 'boxes'"));
}

TEST(ImageModel, ScoresAndBoxesOfOutputs) {
  const auto classify = ImageModel::make({.labels = {"a", "b", "c"}}, graph({1, 3, 8, 8}, {1, 3}));
  ASSERT_TRUE(classify);
  const float logits[] = {0, 2, 1};
  const OutputTensor scores{.shape = Shape{1, 3}, .data = std::as_bytes(std::span(logits))};
  const auto best = classify->classes_of({&scores, 1}, 2);
  ASSERT_TRUE(best);
  ASSERT_EQ(best->size(), 2u);
  EXPECT_EQ(classify->label_of(best->at(0).index), "b");
  EXPECT_NEAR(best->at(0).score, 0.665f, 1e-3f);
  EXPECT_EQ(classify->label_of(7), "7");

  ModelDescription d = graph({1, 3, 100, 100}, {1, -1, 4});
  d.outputs[0].name = "boxes";
  d.outputs.push_back({.name = "scores", .dtype = DType::f32, .shape = Shape{1, -1, 1}});
  const auto detect = ImageModel::make(
      {.task = ImageTask::detect, .format = DetectFormat::boxes_scores, .normalised = true}, d);
  ASSERT_TRUE(detect) << detect.error().message;
  const float boxes[] = {0.1f, 0.2f, 0.5f, 0.6f, 0.1f, 0.2f, 0.5f, 0.62f};
  const float values[] = {0.6f, 0.9f};
  const OutputTensor outputs[] = {
      {.shape = Shape{1, 2, 4}, .data = std::as_bytes(std::span(boxes))},
      {.shape = Shape{1, 2, 1}, .data = std::as_bytes(std::span(values))}};
  // Letterboxed from 200 x 100: half the size, 25 rows of padding above.
  const image::Placement at{.scale_x = 0.5, .scale_y = 0.5, .offset_y = 25};
  const auto found = detect->detections_of(outputs, at, 200, 100, 0.5f, 10);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_FLOAT_EQ(found->at(0).score, 0.9f);
  EXPECT_FLOAT_EQ(found->at(0).box.left, 20);
  EXPECT_FLOAT_EQ(found->at(0).box.top, 0);  // cut off at the edge
  EXPECT_FLOAT_EQ(found->at(0).box.bottom, 74);
  const OutputTensor fewer[] = {
      outputs[0], {.shape = Shape{1, 1, 3}, .data = std::as_bytes(std::span(logits))}};
  EXPECT_FALSE(detect->detections_of(fewer, at, 200, 100, 0.5f, 10));
}

}  // namespace
}  // namespace millrace::serving
