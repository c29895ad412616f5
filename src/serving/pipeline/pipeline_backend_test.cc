#include "serving/pipeline/pipeline_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/pipeline/pipeline_rig.h"

namespace millrace::serving {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string doubled_by(const std::string& model) {
  return std::string(kInput) + model_step("only", model, "input.x") + output("y", "only.y");
}

TEST(PipelineBackend, IsAModelLikeOthers) {
  PipelineRig rig;
  rig.model("m");
  rig.pipeline("p", "task = 'detect'\n" + doubled_by("m"));
  ASSERT_TRUE(rig.open());
  const ModelStatus status = rig.status("p");
  ASSERT_EQ(status.state, ModelState::ready) << status.error.message;
  const ModelDescription& d = status.model->description();
  EXPECT_EQ(d.backend, "pipeline");
  EXPECT_EQ(d.family, "pipeline");
  EXPECT_EQ(d.task, "detect");
  EXPECT_EQ(d.inputs.at(0).name, "x");
  EXPECT_EQ(d.outputs.at(0).name, "y");
  EXPECT_EQ(d.max_batch_size, 0);
  EXPECT_EQ(status.model->generator(), nullptr);
  EXPECT_THAT(rig.ask("p", {1, 2}, {1, 2})->floats(), ElementsAre(2, 4));
  EXPECT_THAT(rig.ask("p", {1, 2, 3}, {1, 3})->error().message, HasSubstr("shape [1,3]"));
}

TEST(PipelineBackend, OrderOfLoadingDoesNotMatter) {
  PipelineRig rig;
  rig.pipeline("a-pipeline", doubled_by("b-pipeline"));  // loaded first, by name
  rig.pipeline("b-pipeline", doubled_by("model"));
  rig.model("model");
  ASSERT_TRUE(rig.open());
  EXPECT_EQ(rig.status("a-pipeline").state, ModelState::ready)
      << rig.status("a-pipeline").error.message;
  EXPECT_THAT(rig.ask("a-pipeline", {1, 2}, {1, 2})->floats(), ElementsAre(2, 4));
}

TEST(PipelineBackend, PipelinesThatNeedEachOther) {
  PipelineRig rig;
  rig.pipeline("a", doubled_by("b"));
  rig.pipeline("b", doubled_by("a"));
  rig.model("m");
  ASSERT_TRUE(rig.open()) << "nobody waits for ever";
  for (const char* name : {"a", "b"}) {
    EXPECT_EQ(rig.status(name).state, ModelState::failed);
    EXPECT_THAT(rig.status(name).error.message, HasSubstr("cannot need each other"));
  }
  EXPECT_EQ(rig.status("m").state, ModelState::ready);
}

TEST(PipelineBackend, ComesWithTheModelItNeeds) {
  PipelineRig rig;
  rig.failing = {"m"};
  rig.model("m");
  rig.pipeline("p", doubled_by("m"));
  ASSERT_TRUE(rig.open());
  EXPECT_EQ(rig.status("p").state, ModelState::failed);
  EXPECT_THAT(rig.status("p").error.message,
              HasSubstr("step 'only': model 'm': The model failed to load."));
  rig.failing.clear();
  ASSERT_TRUE(rig.load("m"));
  ASSERT_TRUE(rig.store().wait_until_loaded(std::chrono::seconds(10)));
  EXPECT_EQ(rig.status("p").state, ModelState::ready) << rig.status("p").error.message;
}

TEST(PipelineBackend, UnloadsAndLoadsAgain) {
  PipelineRig rig;
  rig.model("m");
  rig.pipeline("p", doubled_by("m"));
  ASSERT_TRUE(rig.open());
  ASSERT_TRUE(rig.store().unload("p"));
  EXPECT_EQ(rig.ask("p", {1, 2}, {1, 2})->error().kind, ErrorKind::unavailable);
  ASSERT_TRUE(rig.load("p"));
  EXPECT_THAT(rig.ask("p", {1, 2}, {1, 2})->floats(), ElementsAre(2, 4));
}

TEST(PipelineBackend, AModelThatChangedIsNotAsked) {
  PipelineRig rig;
  rig.model("m");
  rig.pipeline("p", doubled_by("m"));
  ASSERT_TRUE(rig.open());
  ASSERT_TRUE(rig.store().unload("m"));
  rig.model("m").description.inputs[0].name = "other";
  ASSERT_TRUE(rig.load("m"));
  const Error error = rig.ask("p", {1, 2}, {1, 2})->error();
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(error.message, HasSubstr("load the pipeline again"));
}

TEST(PipelineBackend, MistakesAreTold) {
  PipelineRig rig;
  rig.model("m");
  rig.pipeline("p", "nonsense = 1\n");
  ASSERT_TRUE(rig.open());
  EXPECT_EQ(rig.status("p").state, ModelState::failed);
  EXPECT_THAT(rig.status("p").error.message, HasSubstr("pipeline.toml:1: unknown key"));
}

TEST(PipelineBackend, NeedsAStore) {
  PipelineBackend backend;
  const TemporaryFolder folder;
  folder.file("pipeline.toml");
  Metrics metrics;
  LoadContext context{.metrics = metrics, .progress = {}};
  ModelSpec spec;
  spec.path = folder.path();
  EXPECT_TRUE(backend.recognises(spec));
  EXPECT_FALSE(backend.load(spec, context));
  spec.path = folder.path() / "nowhere";
  EXPECT_FALSE(backend.recognises(spec));
}

}  // namespace
}  // namespace millrace::serving
