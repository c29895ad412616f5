#include "serving/warmup.h"

#include <gtest/gtest.h>

#include "serving/fake_model.h"
#include "serving/fake_tensor_model.h"

namespace millrace::serving {
namespace {

class WarmUpTest : public testing::Test {
 protected:
  WarmUpTest() {
    auto made = std::make_unique<FakeTensorModel>();
    model = made.get();
    servable.tensors = std::move(made);
    servable.description = fake_tensor_description(8);
  }
  std::string error_of(WarmupSample sample) {
    const Status done = warm_up({std::move(sample)}, servable);
    return done ? "" : done.error().message;
  }
  FakeServable servable{"double"};
  FakeTensorModel* model = nullptr;
};

TEST_F(WarmUpTest, RunsEachSampleAsOftenAsItSays) {
  ASSERT_TRUE(
      warm_up({{.name = "zeros", .rows = 3, .count = 2},
               {.name = "random", .inputs = {{.name = "x", .fill = WarmupInput::Fill::random}}}},
              servable));
  const auto runs = model->runs();
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].rows, 3);
  EXPECT_EQ(runs[1].values, std::vector<float>(6, 0));
  EXPECT_EQ(runs[2].rows, 1);
  EXPECT_NE(runs[2].values, std::vector<float>(2, 0));
}

TEST_F(WarmUpTest, DataOfAFileIsTaken) {
  const float values[] = {3, 4};
  const auto bytes = std::as_bytes(std::span(values));
  WarmupInput x{.name = "x", .fill = WarmupInput::Fill::file, .data = {bytes.begin(), bytes.end()}};
  EXPECT_EQ(error_of({.name = "w", .inputs = {x}}), "");
  EXPECT_EQ(model->runs().at(0).values, (std::vector<float>{3, 4}));
  EXPECT_EQ(error_of({.name = "w", .rows = 2, .inputs = {x}}),
            "warm-up 'w': the file for input 'x' has 8 bytes, but 16 are needed");
}

TEST_F(WarmUpTest, FailuresNameTheSample) {
  EXPECT_EQ(error_of({.name = "w", .inputs = {{.name = "z"}}}),
            "warm-up 'w': the model has no input 'z'");
  const std::vector<std::int64_t> huge = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  EXPECT_EQ(error_of({.name = "w", .inputs = {{.name = "x", .dims = huge}}}),
            "warm-up 'w': input 'x' is too large");
  model->poison = 0;
  EXPECT_EQ(error_of({.name = "w"}), "warm-up 'w': poisoned");
  FakeServable text("text");
  EXPECT_FALSE(warm_up({{.name = "w"}}, text));
  EXPECT_TRUE(warm_up({}, text));
}

}  // namespace
}  // namespace millrace::serving
