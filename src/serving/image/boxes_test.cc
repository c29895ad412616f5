#include "serving/image/boxes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "serving/image/scores.h"

namespace millrace::serving {
namespace {

TEST(Boxes, Overlap) {
  EXPECT_FLOAT_EQ(intersection_over_union({0, 0, 2, 2}, {1, 1, 3, 3}), 1.0f / 7);
  EXPECT_FLOAT_EQ(intersection_over_union({0, 0, 2, 2}, {0, 0, 2, 2}), 1);
  EXPECT_FLOAT_EQ(intersection_over_union({0, 0, 2, 2}, {2, 0, 4, 2}), 0);
  EXPECT_FLOAT_EQ(intersection_over_union({2, 2, 0, 0}, {0, 0, 0, 0}), 0);
}

TEST(Boxes, OnlyTheBestOfAClassStays) {
  const auto kept = suppress({{.index = 1, .score = 0.5f, .box = {0, 0, 10, 10}},
                              {.index = 1, .score = 0.9f, .box = {1, 0, 10, 10}},
                              {.index = 2, .score = 0.8f, .box = {0, 0, 10, 10}},
                              {.index = 1, .score = 0.4f, .box = {20, 0, 30, 10}}},
                             0.5f, 10);
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[0].score, 0.9f);
  EXPECT_EQ(kept[1].index, 2);
  EXPECT_EQ(kept[2].score, 0.4f);
  EXPECT_EQ(suppress(kept, 0.5f, 2).size(), 2u);
  std::vector<Detection> many(100'000, {.index = 0, .score = 0.5f, .box = {0, 0, 1, 1}});
  EXPECT_EQ(suppress(many, 0.5f, 1000).size(), 1u);
}

TEST(Boxes, YoloxRowsBecomeBoxes) {
  // 32 x 32: grids of 4 x 4, 2 x 2 and 1 x 1.
  constexpr int kRow = 7;
  std::vector<float> output(21 * kRow, 0.0f);
  const auto set = [&](std::size_t anchor, std::initializer_list<float> row) {
    std::copy(row.begin(), row.end(), output.begin() + static_cast<std::ptrdiff_t>(anchor * kRow));
  };
  set(6, {0.5f, 0.25f, std::log(2.0f), 0, 0.8f, 0.1f, 0.5f});  // stride 8, column 2, line 1
  set(20, {0.5f, 0.5f, 0, std::log(0.5f), 1.0f, 0.9f, 0.2f});  // stride 32
  set(3, {std::nanf(""), 0, 0, 0, 1, 1, 1});
  set(4, {0, 0, 1000, 0, 1, 1, 1});  // of infinite width
  const auto found = decode_yolox(output, kRow, 32, 32, 0.3f);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ(found->at(0).index, 1);
  EXPECT_FLOAT_EQ(found->at(0).score, 0.4f);
  EXPECT_FLOAT_EQ(found->at(0).box.left, 12);
  EXPECT_FLOAT_EQ(found->at(0).box.right, 28);
  EXPECT_FLOAT_EQ(found->at(0).box.top, 6);
  EXPECT_FLOAT_EQ(found->at(0).box.bottom, 14);
  EXPECT_EQ(found->at(1).index, 0);
  EXPECT_FLOAT_EQ(found->at(1).box.top, 8);
  EXPECT_FALSE(decode_yolox(output, kRow, 64, 32, 0.3f));
  EXPECT_FALSE(decode_yolox(std::span(output).first(21 * 5), 5, 32, 32, 0.3f));
}

TEST(Scores, SoftmaxOfWhatIsHardToSum) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto of = [](std::vector<float> scores) {
    softmax(scores);
    return scores;
  };
  EXPECT_EQ(of({0, 0}), (std::vector<float>{0.5f, 0.5f}));
  EXPECT_EQ(of({10'000, -10'000, std::nanf("")}), (std::vector<float>{1, 0, 0}));
  EXPECT_EQ(of({inf, 1, inf}), (std::vector<float>{0.5f, 0, 0.5f}));
  EXPECT_TRUE(of({}).empty());
}

TEST(Scores, TheBestComeFirst) {
  const float scores[] = {0.1f, std::nanf(""), 0.7f, 0.7f};
  const auto best = top_k(scores, 10);
  ASSERT_EQ(best.size(), 4u);
  EXPECT_EQ(best[0].index, 2);
  EXPECT_EQ(best[1].index, 3);
  EXPECT_EQ(best[2].index, 0);
  EXPECT_EQ(best[3].index, 1);
  EXPECT_EQ(top_k(scores, 1).size(), 1u);
}

TEST(Scores, OfEachType) {
  const std::uint16_t halves[] = {0x3c00, 0xc000, 0x0001};
  const auto f16 = to_floats(std::as_bytes(std::span(halves)), DType::f16);
  ASSERT_TRUE(f16);
  EXPECT_EQ(*f16, (std::vector<float>{1, -2, 0x1p-24f}));
  const std::uint16_t brains[] = {0x3f80};
  EXPECT_EQ(to_floats(std::as_bytes(std::span(brains)), DType::bf16)->at(0), 1);
  const double doubles[] = {0.5};
  EXPECT_EQ(to_floats(std::as_bytes(std::span(doubles)), DType::f64)->at(0), 0.5f);
  EXPECT_FALSE(to_floats({}, DType::i64));
}

}  // namespace
}  // namespace millrace::serving
