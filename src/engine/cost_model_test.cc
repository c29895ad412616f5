#include "engine/cost_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace millrace::engine {
namespace {

double truth(const StepLoad& load) {
  return 0.004 + 50e-6 * load.num_new_tokens +
         8e-9 * static_cast<double>(load.num_attended_tokens) + 20e-6 * load.num_sequences;
}

StepLoad decodes(int count, int context) {
  StepLoad load;
  for (int i = 0; i < count; ++i) load = with_chunk(load, context, 1);
  return load;
}

TEST(CostModel, LearnsALinearDevice) {
  CostModel model;
  std::mt19937 random(1);
  std::normal_distribution<double> noise(1.0, 0.03);
  for (int i = 0; i < 400; ++i) {
    StepLoad load = decodes(static_cast<int>(1 + random() % 30), static_cast<int>(random() % 2000));
    if (random() % 3 == 0)
      load =
          with_chunk(load, static_cast<int>(random() % 4000), static_cast<int>(1 + random() % 512));
    model.observe(load, truth(load) * noise(random));
  }
  EXPECT_LT(model.mean_relative_error(), 0.05);
  for (const int chunk : {16, 128, 512}) {
    const StepLoad load = with_chunk(decodes(20, 1000), 2000, chunk);
    EXPECT_NEAR(model.predict(load) / truth(load), 1.0, 0.08);
  }
}

TEST(CostModel, StaysSaneAfterHoursOfEqualSteps) {
  CostModel model;
  std::mt19937 random(2);
  std::normal_distribution<double> noise(1.0, 0.05);
  for (int i = 0; i < 200; ++i) {
    StepLoad load = decodes(static_cast<int>(1 + random() % 30), 500);
    if (i % 2 == 0) load = with_chunk(load, 0, static_cast<int>(1 + random() % 512));
    model.observe(load, truth(load) * noise(random));
  }
  for (int i = 0; i < 100000; ++i)
    model.observe(decodes(8, 700), truth(decodes(8, 700)) * noise(random));
  const StepLoad prefill = with_chunk(decodes(8, 700), 0, 512);
  EXPECT_NEAR(model.predict(prefill) / truth(prefill), 1.0, 0.5);
  EXPECT_NEAR(model.predict(decodes(8, 700)) / truth(decodes(8, 700)), 1.0, 0.05);
}

TEST(CostModel, AHiccupHardlyMovesIt) {
  CostModel model;
  for (int i = 0; i < 500; ++i) model.observe(decodes(8, 700), 0.010);
  model.observe(decodes(8, 700), 30.0);
  EXPECT_LT(model.predict(decodes(8, 700)), 0.013);
}

TEST(CostModel, FollowsADeviceThatBecomesSlower) {
  CostModel model;
  for (int i = 0; i < 500; ++i) model.observe(decodes(8, 700), 0.010);
  for (int i = 0; i < 1500; ++i) model.observe(decodes(8, 700), 0.030);
  EXPECT_NEAR(model.predict(decodes(8, 700)), 0.030, 0.003);
}

TEST(CostModel, LargestChunkFitsAndTheNextDoesNot) {
  CostModel model;
  std::mt19937 random(3);
  for (int i = 0; i < 500; ++i) {
    StepLoad load = decodes(static_cast<int>(random() % 30), static_cast<int>(random() % 2000));
    load =
        with_chunk(load, static_cast<int>(random() % 4000), static_cast<int>(1 + random() % 512));
    model.observe(load, truth(load));
  }
  const StepLoad load = decodes(10, 300);
  const int chunk = model.max_chunk(load, 1000, 0.02, 4096);
  EXPECT_GT(chunk, 100);
  EXPECT_LT(chunk, 400);
  EXPECT_LE(model.predict(with_chunk(load, 1000, chunk)), 0.02);
  EXPECT_GT(model.predict(with_chunk(load, 1000, chunk + 1)), 0.02);
  EXPECT_EQ(model.max_chunk(load, 0, 0.001, 4096), 0);
  EXPECT_EQ(model.max_chunk(load, 0, 100, 64), 64);
}

TEST(CostModel, UnknownDeviceLimitsNothing) {
  EXPECT_EQ(CostModel().max_chunk({}, 0, 0.01, 512), 512);
}

}  // namespace
}  // namespace millrace::engine
