#include "serving/model_checks.h"

#include <gtest/gtest.h>

namespace millrace::serving {
namespace {

ModelDescription graph(int max_batch_size) {
  ModelDescription d;
  d.inputs = {{.name = "x", .dtype = DType::f32, .shape = Shape{-1, -1, 4}}};
  d.outputs = {{.name = "y", .dtype = DType::i64, .shape = Shape{-1, 6}}};
  d.max_batch_size = max_batch_size;
  return d;
}

TensorDeclaration declared(std::string name, DType dtype, std::vector<std::int64_t> dims) {
  return {.name = std::move(name),
          .dtype = dtype,
          .dims = std::move(dims),
          .has_dims = true,
          .where = "config.pbtxt:7"};
}

std::string error_of(const GraphSettings& settings, int max_batch_size = 8) {
  const Status done = check_declarations(settings, graph(max_batch_size));
  return done ? "" : done.error().message;
}

TEST(ModelChecks, WhatFitsRefinesTheGraph) {
  const GraphSettings settings{.inputs = {declared("x", DType::f32, {5, 4})},
                               .outputs = {declared("y", DType::i64, {-1})}};
  EXPECT_EQ(error_of(settings), "");
  const ModelDescription d = declared_description(settings, graph(8));
  EXPECT_EQ(d.inputs[0].shape, (Shape{-1, 5, 4}));
  EXPECT_EQ(d.outputs[0].shape, (Shape{-1, 6}));
  EXPECT_EQ(error_of({.inputs = {declared("x", DType::f32, {3, 5, 4})}}, 0), "");
}

TEST(ModelChecks, WhatDoesNotFitIsNamedWithItsLine) {
  EXPECT_EQ(error_of({.inputs = {declared("z", DType::f32, {5, 4})}}),
            "config.pbtxt:7: the model has no input 'z'; it has 'x'");
  EXPECT_EQ(error_of({.outputs = {declared("y", DType::f32, {6})}}),
            "config.pbtxt:7: output 'y' is f32, but the model's is i64");
  EXPECT_EQ(error_of({.inputs = {declared("x", DType::f32, {5, 3})}}),
            "config.pbtxt:7: input 'x' has shape [-1,5,3] with the batch, but the model's is "
            "[-1,-1,4]");
  EXPECT_NE(error_of({.inputs = {declared("x", DType::f32, {5, 4})}}, 0), "");
}

TEST(ModelChecks, AReshapeHasTheSameElements) {
  auto y = declared("y", DType::i64, {2, 3});
  y.reshape = {6};
  EXPECT_EQ(error_of({.outputs = {y}}), "");
  const auto d = declared_description({.outputs = {y}}, graph(8));
  EXPECT_EQ(d.outputs[0].shape, (Shape{-1, 2, 3}));
  const auto back = reshapes_of({y}, d.outputs, true, false);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(reshaped(Shape{5, 6}, back[0]), (Shape{5, 2, 3}));
  const auto there = reshapes_of({y}, d.outputs, true, true);
  EXPECT_EQ(reshaped(Shape{5, 2, 3}, there[0]), (Shape{5, 6}));
  y.reshape = {7};
  EXPECT_NE(error_of({.outputs = {y}}), "");
  y.dims = {std::int64_t{1} << 40, std::int64_t{1} << 40};
  y.reshape = {6};
  EXPECT_NE(error_of({.outputs = {y}}).find("cannot be reshaped"), std::string::npos);
}

TEST(ModelChecks, AnOpenSizeIsWhatIsLeft) {
  const Reshape reshape{.index = 0, .dims = {-1, 4}, .batched = true};
  EXPECT_EQ(reshaped(Shape{2, 12}, reshape), (Shape{2, 3, 4}));
  EXPECT_EQ(reshaped(Shape{2, 13}, reshape), (Shape{2, 13})) << "does not divide: as it was";
  EXPECT_EQ(reshaped(Shape{0, 12}, reshape), (Shape{0, 0, 4}));
}

}  // namespace
}  // namespace millrace::serving
