// TensorFlow's TensorShapeProto, wherever a file has one. Hostile input.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::backends {

using Dims = std::vector<std::int64_t>;  // -1: any size

// Nothing: any rank. invalid_argument for what TensorFlow takes for no shape either: bytes that are
// no message, a size below -1, sizes beside an unknown rank, more than 254 dimensions.
Result<std::optional<Dims>> read_tensor_shape(std::string_view message);

}  // namespace millrace::backends
