#include "engine/cost_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
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

// Sixteen users whose prompts come in chunks that the model itself allows, as the scheduler asks
// it, on a device as CPUs are: the first rows of a step cost several times as much each as those of
// a large chunk, so no line fits.
class BentDevice {
 public:
  explicit BentDevice(std::uint32_t seed) : random_(seed) {}

  void serve(CostModel& model, int num_steps, double first_hiccup) {
    for (int step = 0; step < num_steps; ++step) {
      const StepLoad load = plan(model);
      const double hiccup = step == 0 ? first_hiccup : 1;
      model.observe(load, seconds(load) * noise_(random_) * hiccup);
      for (User& user : users_) user.advance();
    }
  }
  static double seconds(const StepLoad& load) {
    const double rows = load.num_new_tokens;
    return 0.018 + 1.4e-3 * std::min(rows, 16.0) + 0.33e-3 * rows;
  }

 private:
  static constexpr int kPrompt = 128, kAnswer = 64, kChunk = 512;
  struct User {
    int prompt_left = kPrompt, answer_left = 0;
    void advance() {
      if (prompt_left == 0 && answer_left-- == 0) *this = {};
    }
  };
  StepLoad plan(const CostModel& model) {
    StepLoad load;
    for (const User& user : users_) {
      if (user.prompt_left == 0) load = with_chunk(load, kPrompt + kAnswer - user.answer_left, 1);
    }
    const double limit = load.num_new_tokens == 0 ? 1e9 : 3 * model.predict(load);
    const bool forced = ++num_steps_without_prefill_ > 4;
    for (User& user : users_) {
      const int done = kPrompt - user.prompt_left, room = kChunk - load.num_new_tokens;
      int chunk = model.max_chunk(load, done, limit, std::min(user.prompt_left, room));
      if (chunk == 0 && forced) chunk = std::min(user.prompt_left, 16);
      if (chunk == 0) continue;
      num_steps_without_prefill_ = 0;
      load = with_chunk(load, done, chunk);
      user.prompt_left -= chunk;
      user.answer_left = kAnswer;
    }
    return load;
  }

  std::mt19937 random_;
  std::normal_distribution<double> noise_{1.0, 0.1};
  User users_[16];
  int num_steps_without_prefill_ = 0;
};

TEST(CostModel, IsNotDrivenAwayByADeviceThatIsNoLine) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CostModel model;
    BentDevice(seed).serve(model, 400, 1);
    EXPECT_LT(model.mean_relative_error(), 0.3) << "seed " << seed;
  }
}

TEST(CostModel, RecoversFromHiccupsWhileItLearns) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    CostModel model;
    const StepLoad prompt = with_chunk({}, 0, 128);
    model.observe(prompt, 8 * BentDevice::seconds(prompt));
    for (int i = 0; i < 63; ++i) {
      model.observe(decodes(1, 128 + i), BentDevice::seconds(decodes(1, 1)));
    }
    BentDevice(seed).serve(model, 400, 20);
    EXPECT_LT(model.mean_relative_error(), 0.4) << "seed " << seed;
  }
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
