#include "tensor/tensor.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Shape, CountsElements) {
  EXPECT_EQ(Shape().num_elements(), 1);
  EXPECT_EQ(Shape({3, 5}).num_elements(), 15);
  EXPECT_EQ(Shape({3, 0, 5}).num_elements(), 0);
  EXPECT_EQ(Shape({3, 5})[1], 5);
  EXPECT_EQ(Shape({3, 5}).rank(), 2);
  EXPECT_EQ(Shape({3, 5}), Shape({3, 5}));
  EXPECT_NE(Shape({3, 5}), Shape({3, 5, 1}));
}

TEST(TensorView, CountsBytesInWholeBlocks) {
  EXPECT_EQ((TensorView{nullptr, DType::f32, Shape({3, 5})}.num_bytes()), 60U);
  EXPECT_EQ((TensorView{nullptr, DType::bf16, Shape({7})}.num_bytes()), 14U);
  EXPECT_EQ((TensorView{nullptr, DType::q4_1, Shape({4, 576})}.num_bytes()), 4U * 18 * 20);
  EXPECT_EQ((TensorView{nullptr, DType::q6_k, Shape({2, 512})}.num_bytes()), 2U * 2 * 210);
  EXPECT_EQ((TensorView{nullptr, DType::f32, Shape()}.num_bytes()), 4U);
}

TEST(ShapeDeathTest, RefusesTooManyDimensions) {
  EXPECT_DEATH(Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}), "broken invariant");
}

}  // namespace
}  // namespace millrace
