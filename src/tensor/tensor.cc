#include "tensor/tensor.h"

#include <algorithm>

#include "base/check.h"

namespace millrace {

Shape::Shape(std::initializer_list<std::int64_t> dims)
    : Shape(std::span<const std::int64_t>(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  MILLRACE_CHECK(dims.size() <= static_cast<std::size_t>(kMaxRank));
  std::ranges::copy(dims, dims_.begin());
}

std::int64_t Shape::num_elements() const {
  std::int64_t product = 1;
  for (const std::int64_t dim : dims()) product *= dim;
  return product;
}

std::size_t TensorView::num_bytes() const {
  const std::size_t block = dtype_block_elements(dtype);
  if (block == 0) return 0;  // DType::bytes: not described by a shape
  std::size_t blocks = 1;
  for (int i = 0; i < shape.rank(); ++i) {
    const auto dim = static_cast<std::size_t>(shape[i]);
    blocks *= i + 1 == shape.rank() ? (dim + block - 1) / block : dim;
  }
  return blocks * dtype_block_bytes(dtype);
}

}  // namespace millrace
