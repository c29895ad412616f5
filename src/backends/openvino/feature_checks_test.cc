#include "backends/openvino/feature_checks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <string>

namespace millrace::backends {
namespace {

using Numbers = std::vector<std::int64_t>;
using Kind = FeatureSpec::Kind;

ModelDescription description(const std::vector<std::string>& without = {}) {
  ModelDescription d;
  d.inputs = {{.name = "s/indices", .dtype = DType::i64, .shape = Shape{-1, 2}},
              {.name = "s/values", .dtype = DType::f32, .shape = Shape{-1}},
              {.name = "s/shape", .dtype = DType::i64, .shape = Shape{2}},
              {.name = "r/values", .dtype = DType::bytes, .shape = Shape{-1}},
              {.name = "r/row_splits", .dtype = DType::i64, .shape = Shape{-1}}};
  std::erase_if(d.inputs, [&](const TensorSpec& spec) {
    return std::ranges::find(without, spec.name) != without.end();
  });
  d.examples.emplace();
  d.examples->features = {{.name = "s", .kind = Kind::sparse}, {.name = "r", .kind = Kind::ragged}};
  return d;
}

struct Parts {
  Numbers indices{0, 0, 1, 2}, shape{2, 3}, splits{0, 0, 3};
  std::int64_t num_sparse = 2, num_ragged = 3;
};

std::string verdict(const Parts& parts, const std::vector<std::string>& without = {}) {
  const auto model = description(without);
  std::vector<InputTensor> inputs;
  for (const TensorSpec& spec : model.inputs) {
    const auto of = [](const Numbers& numbers, const Shape& shape) {
      return InputTensor{.shape = shape, .parts = {std::as_bytes(std::span(numbers))}};
    };
    const auto count = [](const Numbers& n) { return static_cast<std::int64_t>(n.size()); };
    if (spec.name == "s/indices") {
      inputs.push_back(of(parts.indices, Shape{count(parts.indices) / 2, 2}));
    } else if (spec.name == "s/shape") {
      inputs.push_back(of(parts.shape, Shape{2}));
    } else if (spec.name == "r/row_splits") {
      inputs.push_back(of(parts.splits, Shape{count(parts.splits)}));
    } else {
      inputs.push_back({.shape = Shape{spec.name[0] == 's' ? parts.num_sparse : parts.num_ragged}});
    }
  }
  const Status right = check_feature_parts(model, inputs);
  return right ? "right" : right.error().message;
}

TEST(FeatureChecks, WhatGoesTogether) {
  EXPECT_TRUE(has_feature_parts(description()));
  EXPECT_EQ(verdict({}), "right");
  EXPECT_EQ(
      verdict({.indices = {}, .shape = {0, 0}, .splits = {0}, .num_sparse = 0, .num_ragged = 0}),
      "right");
  EXPECT_EQ(verdict({.num_sparse = 7}, {"s/values"}), "right");
  EXPECT_EQ(verdict({.indices = {INT64_MAX - 1, 5}, .num_sparse = 1}, {"s/shape"}), "right");
  ModelDescription dense;
  EXPECT_FALSE(has_feature_parts(dense));
  EXPECT_TRUE(check_feature_parts(dense, {}));
}

TEST(FeatureChecks, WhatDoesNot) {
  const std::string indices = "input 's/indices' ", shape = "input 's/shape' ",
                    splits = "input 'r/row_splits' ";
  EXPECT_EQ(verdict({.indices = {0, 0, 2, 0}}), indices + "has an index out of the shape");
  EXPECT_EQ(verdict({.indices = {0, 3, 1, 0}}), indices + "has an index out of the shape");
  EXPECT_EQ(verdict({.indices = {0, -1, 1, 0}}), indices + "has an index out of the shape");
  EXPECT_EQ(verdict({.num_sparse = 3}), indices + "must have one row for each value");
  EXPECT_EQ(verdict({.shape = {-1, 3}}), shape + "has a negative size");
  EXPECT_EQ(verdict({.shape = {1 << 20, 1 << 20}}), shape + "is too large");
  EXPECT_EQ(verdict({.shape = {INT64_MAX, INT64_MAX}}), shape + "is too large");
  EXPECT_EQ(verdict({.shape = {INT64_MAX, 0}}), shape + "is too large");
  EXPECT_EQ(verdict({.splits = {}}), splits + "must begin with 0");
  EXPECT_EQ(verdict({.splits = {1, 3}}), splits + "must begin with 0");
  EXPECT_EQ(verdict({.splits = {0, 2, 1, 3}}), splits + "must not descend");
  EXPECT_EQ(verdict({.splits = {0, INT64_MIN}}), splits + "must not descend");
  EXPECT_EQ(verdict({.splits = {0, 2}}), splits + "must end with the number of values");
  Parts uneven{.splits = Numbers(1 << 14, 0), .num_ragged = 1 << 12};
  uneven.splits.back() = 1 << 12;
  EXPECT_EQ(verdict(uneven), splits + "has rows of too different lengths");
}

}  // namespace
}  // namespace millrace::backends
