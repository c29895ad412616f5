// Sizes and places of tensors, in arithmetic that cannot overflow.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "tensor/tensor.h"

namespace millrace::weights {

struct TensorRange {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;

  bool is_inside(std::uint64_t num_bytes) const {
    return begin <= num_bytes && size <= num_bytes - begin;
  }
};

// The bytes of a tensor of this type and shape: whole blocks of its innermost dimension. An error
// where the innermost dimension is not a multiple of the block, or where the product overflows.
Result<std::uint64_t> checked_tensor_bytes(DType dtype, const Shape& shape);

}  // namespace millrace::weights
