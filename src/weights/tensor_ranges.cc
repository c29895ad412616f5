#include "weights/tensor_ranges.h"

#include <limits>
#include <string>

#include "weights/file_errors.h"

namespace millrace::weights {

Result<std::uint64_t> checked_tensor_bytes(DType dtype, const Shape& shape) {
  const auto block = static_cast<std::int64_t>(dtype_block_elements(dtype));
  const std::int64_t innermost = shape.rank() > 0 ? shape[shape.rank() - 1] : 1;
  if (block == 0 || innermost % block != 0) {
    return bad_file("its innermost dimension " + std::to_string(innermost) +
                    " is not a multiple of " + std::to_string(block) + ", the block of " +
                    dtype_name(dtype));
  }
  std::int64_t elements = 1;
  for (const std::int64_t dim : shape.dims()) {
    if (dim < 0 || __builtin_mul_overflow(elements, dim, &elements)) {
      return bad_file("its dimensions have too large a product");
    }
  }
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / block, static_cast<std::int64_t>(dtype_block_bytes(dtype)),
                             &bytes)) {
    return bad_file("its size in bytes is too large");
  }
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace millrace::weights
