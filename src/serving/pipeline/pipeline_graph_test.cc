#include "serving/pipeline/pipeline_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/pipeline/pipeline_rig.h"
#include "serving/pipeline/step_order.h"

namespace millrace::serving {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kSoftmax = "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\n";

class PipelineGraphTest : public testing::Test {
 protected:
  PipelineGraphTest() {
    rig.model("double");
    rig.model("three").description.inputs[0].shape = Shape{-1, 3};
    MILLRACE_CHECK(rig.open());
  }
  Result<PipelineGraph> build(const std::string& toml) {
    const auto file = read_pipeline(toml, "pipeline.toml");
    if (!file) return std::unexpected(file.error());
    return build_graph(*file, "self", folder.path(),
                       [this](std::string_view name, std::string_view version) {
                         return rig.store().find(name, version);
                       });
  }
  std::string error(const std::string& toml) {
    const auto graph = build(toml);
    return graph ? "" : graph.error().message;
  }
  // A step between the input and the output 'y' of it.
  std::string error_of_step(const std::string& step) {
    return error(std::string(kInput) + step + output("y", "s"));
  }
  TemporaryFolder folder;
  PipelineRig rig;
};

TEST_F(PipelineGraphTest, ReadsAndOrdersWhatIsSound) {
  const auto graph =
      build("description = 'twice'\ntask = 'classify'\nmax_concurrent_requests = 3\n" +
            output("scores", "soft.values") + output("same", "input.x") +
            "[[step]]\nname = 'soft'\ndo = 'softmax'\ninputs = 'model.y'\n" +
            "[[step]]\nname = 'model'\nmodel = 'double'\ninputs = { x = 'input.x' }\n" +
            std::string(kInput));
  ASSERT_TRUE(graph) << graph.error().message;
  ASSERT_EQ(graph->steps.size(), 2u);
  EXPECT_EQ(graph->steps[0].name, "model");
  EXPECT_EQ(graph->steps[1].name, "soft");
  EXPECT_EQ(graph->inputs.at(0).name, "x");
  EXPECT_EQ(graph->outputs.at(0).name, "scores") << "in the order of the file";
  EXPECT_EQ(graph->outputs.at(0).shape, (Shape{-1, 2})) << "known from the model";
  EXPECT_EQ(graph->outputs.at(1).name, "same");
  EXPECT_EQ(graph->values.at(0).readers.size(), 1u);
}

TEST_F(PipelineGraphTest, NamesThatAreNotThere) {
  const std::string x(kInput), y = output("y", "s"), s(kSoftmax);
  EXPECT_EQ(error(x + s + output("y", "t.values")),
            "pipeline.toml:8: output 'y': from: t.values: there is no step 't'");
  EXPECT_EQ(error(x + s + output("y", "s.scores")),
            "pipeline.toml:8: output 'y': from: step 's' has no output 'scores'; it has values");
  EXPECT_EQ(error_of_step("[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 't.x'\n"),
            "pipeline.toml:4: step 's': inputs: t.x: there is no step 't'");
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.z'\n"),
              HasSubstr("the pipeline has no input 'z'"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\ndo = 'soft'\ninputs = 'input.x'\n"),
              HasSubstr("do: there is no step \"soft\"; there are argmax, "));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\nmodel = 'nobody'\ninputs = 'input.x'\n"),
              HasSubstr("step 's': model 'nobody': there is no such model"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\nmodel = 'self'\ninputs = 'input.x'\n"),
              HasSubstr("cannot use itself"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\nmodel = 'double'\ninputs = {z = 'input.x'}\n"),
              HasSubstr("model 'double' has no input 'z'; it has x"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\ndo = 'softmax'\ninputs = {z = 'input.x'}\n"),
              HasSubstr("there is no input 'z'; it has values"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\ndo = 'softmax'\n"),
              HasSubstr("'values' is missing"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\nmodel = 'double'\n"),
              HasSubstr("'x' of model 'double' is missing"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\nmodel = 'double'\nversion = '7'\n"
                            "inputs = 'input.x'\n"),
              HasSubstr("model 'double': The model has no such version; version 1 serves."));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\nmodel = 'double'\nversion = 'stable'\n"
                            "inputs = 'input.x'\n"),
              HasSubstr("model 'double': The model has no version of that name"));
  EXPECT_EQ(error(x + "[[step]]\nname = 's'\nmodel = 'double'\nversion = 1\ninputs = 'input.x'\n" +
                  output("y", "s")),
            "");
  EXPECT_THAT(error(x + "[[step]]\nname = 's'\ndo = 'top_k'\ninputs = 'input.x'\n" + y),
              HasSubstr("step 's' has several outputs, say which: values, indices"));
}

TEST_F(PipelineGraphTest, CirclesAreShown) {
  const std::string circle = std::string(kInput) +
                             "[[step]]\nname = 'a'\ndo = 'concat'\ninputs = ['input.x', 'c']\n"
                             "[[step]]\nname = 'b'\ndo = 'softmax'\ninputs = 'a'\n"
                             "[[step]]\nname = 'c'\ndo = 'softmax'\ninputs = 'b'\n" +
                             output("y", "c");
  EXPECT_EQ(error(circle), "pipeline.toml:4: step 'a': needs itself: a → c → b → a");
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 's'\n"),
              HasSubstr("needs itself: s → s"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\n"
                            "when = 'any(s) > 1'\n"),
              HasSubstr("needs itself"));
}

TEST_F(PipelineGraphTest, TypesAndShapesThatCannotBe) {
  EXPECT_EQ(error_of_step("[[step]]\nname = 's'\nmodel = 'three'\ninputs = 'input.x'\n"),
            "pipeline.toml:4: step 's': inputs: input.x is FP32 [-1,2], but input 'x' of model "
            "'three' takes FP32 [-1,3]");
  EXPECT_THAT(error("[input.x]\ndtype = 'INT64'\nshape = [-1, 2]\n" +
                    model_step("s", "double", "input.x") + output("y", "s")),
              HasSubstr("input.x is INT64 [-1,2]"));
  EXPECT_THAT(error("[input.x]\ndtype = 'BYTES'\nshape = [-1]\n" + std::string(kSoftmax) +
                    output("y", "s")),
              HasSubstr("must be numbers"));
  EXPECT_THAT(error_of_step("[[step]]\nname = 's'\ndo = 'concat'\naxis = 2\n"
                            "inputs = ['input.x', 'input.x']\n"),
              HasSubstr("has no axis 2"));
  EXPECT_THAT(error("[input.x]\ndtype = 'FP32'\n[input.z]\ndtype = 'BYTES'\n"
                    "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\n"
                    "when = 'any(input.z) > 1'\n" +
                    output("y", "s")),
              HasSubstr("when: strings cannot be compared"));
  EXPECT_THAT(error("[input.x]\ndtype = 'FP32'\n[input.z]\ndtype = 'BYTES'\n"
                    "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\n"
                    "when = 'any(input.x) > 1'\nelse = 'input.z'\n" +
                    output("y", "s")),
              HasSubstr("else: input.z is BYTES"));
}

TEST_F(PipelineGraphTest, WhatNobodyNeeds) {
  const std::string x(kInput), s(kSoftmax);
  EXPECT_EQ(
      error(x + s + "[[step]]\nname = 't'\ndo = 'softmax'\ninputs = 's'\n" + output("y", "s")),
      "pipeline.toml:8: step 't': no output needs it; take it out, or use what it gives");
  EXPECT_EQ(error(x + "[input.z]\ndtype = 'FP32'\n" + s + output("y", "s")),
            "pipeline.toml:4: input 'z': no step reads it");
}

TEST_F(PipelineGraphTest, HostileFiles) {
  const std::string x(kInput), s(kSoftmax), y = output("y", "s");
  const std::string long_name(1000, 'a');
  for (const std::string& bad :
       {std::string(),
        std::string("nonsense"),
        std::string("x = 1"),
        x,
        x + s,
        s + y,
        std::string("input = 1\n") + s + y,
        std::string("[input]\nx = 1\n") + s + y,
        x + "step = 1\n" + y,
        x + "step = [1]\n" + y,
        x + "[step]\nname = 's'\n" + y,
        x + "[[step]]\n" + y,
        x + "[[step]]\nname = 5\n" + y,
        x + "[[step]]\nname = 'input'\ndo = 'softmax'\ninputs = 'input.x'\n" +
            output("y", "input.x"),
        x + "[[step]]\nname = 'a.b'\ndo = 'softmax'\ninputs = 'input.x'\n" + output("y", "a.b"),
        x + "[[step]]\nname = '" + long_name + "'\ndo = 'softmax'\ninputs = 'input.x'\n" + y,
        x + s + s + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\nmodel = 'double'\n" + y,
        x + "[[step]]\nname = 's'\ndo = ''\ninputs = 'input.x'\n" + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = []\n" + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = [1]\n" + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = ['input.x', 'input.x']\n" + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\nelse = 'input.x'\n" + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\nwhen = 'maybe'\n" + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\naxis = 'x'\n" + y,
        x + "[[step]]\nname = 's'\ndo = 'softmax'\ninputs = 'input.x'\naxis = 99\n" + y,
        x + "[[step]]\nname = 's'\nmodel = 'double'\ninputs = 'input.x'\nbatch = 8\n" + y,
        std::string("[input.x]\nshape = [1]\n") + s + y,
        std::string("[input.x]\ndtype = 'FP33'\n") + s + y,
        std::string("[input.x]\ndtype = 'FP32'\nshape = [-2]\n") + s + y,
        std::string("[input.x]\ndtype = 'FP32'\nshape = [1,1,1,1,1,1,1,1,1]\n") + s + y,
        std::string("[input.x]\ndtype = 'FP32'\nshape = [9223372036854775807]\n") + s + y,
        std::string("[input.'a b']\ndtype = 'FP32'\n") + s + y,
        x + s + "[output.y]\n",
        x + s + "[output.y]\nfrom = 5\n",
        x + s + "[output.y]\nfrom = 's'\nto = 's'\n",
        "task = 'paint'\n" + x + s + y,
        "max_concurrent_requests = 0\n" + x + s + y,
        "max_request_memory = 5\n" + x + s + y,
        "max_request_memory = '-1'\n" + x + s + y,
        "description = 5\n" + x + s + y}) {
    const std::string message = error(bad);
    EXPECT_THAT(message, StartsWith("pipeline.toml:")) << bad;
  }
  std::string many = x;
  for (int i = 0; i < 300; ++i) {
    many += "[[step]]\nname = 's" + std::to_string(i) + "'\ndo = 'softmax'\ninputs = 'input.x'\n";
  }
  EXPECT_THAT(error(many + y), HasSubstr("more than 256 steps"));
  EXPECT_NE(error(std::string(1 << 20, '#')), "") << "larger than any pipeline";
}

TEST_F(PipelineGraphTest, ALongChainIsNoDeepStack) {
  std::string toml(kInput);
  for (int i = 0; i < 256; ++i) {
    toml += "[[step]]\nname = 's" + std::to_string(i) + "'\ndo = 'softmax'\ninputs = '" +
            (i == 255 ? "input.x" : "s" + std::to_string(i + 1)) + "'\n";
  }
  EXPECT_EQ(error(toml + output("y", "s0")), "");
}

TEST_F(PipelineGraphTest, ModelsThatAreNotThereYet) {
  ASSERT_TRUE(rig.store().unload("double"));
  const auto graph =
      build(std::string(kInput) + model_step("s", "double", "input.x") + output("y", "s"));
  ASSERT_FALSE(graph);
  EXPECT_EQ(graph.error().code, kNeedsModel);
  EXPECT_EQ(graph.error().kind, ErrorKind::unavailable);
}

}  // namespace
}  // namespace millrace::serving
