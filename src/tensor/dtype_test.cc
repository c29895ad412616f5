#include "tensor/dtype.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(DType, BlocksAreWhatGgufSays) {
  struct Row {
    DType type;
    const char* name;
    std::size_t elements, bytes;
  };
  // bytes: f16 scales + packed values (ggml's static_asserts on its block structs).
  constexpr Row kRows[] = {
      {DType::f32, "f32", 1, 4},
      {DType::bf16, "bf16", 1, 2},
      {DType::boolean, "bool", 1, 1},
      {DType::bytes, "bytes", 0, 0},
      {DType::q4_0, "q4_0", 32, 2 + 16},
      {DType::q4_1, "q4_1", 32, 4 + 16},
      {DType::q5_0, "q5_0", 32, 6 + 16},
      {DType::q5_1, "q5_1", 32, 8 + 16},
      {DType::q8_0, "q8_0", 32, 2 + 32},
      {DType::q4_k, "q4_k", 256, 4 + 12 + 128},
      {DType::q5_k, "q5_k", 256, 4 + 12 + 32 + 128},
      {DType::q6_k, "q6_k", 256, 128 + 64 + 16 + 2},
  };
  for (const Row& row : kRows) {
    EXPECT_STREQ(dtype_name(row.type), row.name);
    EXPECT_EQ(dtype_block_elements(row.type), row.elements) << row.name;
    EXPECT_EQ(dtype_block_bytes(row.type), row.bytes) << row.name;
  }
}

}  // namespace
}  // namespace millrace
