// TensorFlow's TensorProto: the values of constants in a graph. Hostile input.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::backends {

// DataTypes that tf.Examples can carry.
inline constexpr int kTypeFloat = 1, kTypeString = 7, kTypeInt64 = 9;

// Those that are written down; the last may stand for more.
std::vector<std::string_view> strings_in(std::string_view tensor);

// All values as servable/tensor_model.h has them. Empty where the tensor is not of this type and
// this many elements, or is larger than 1 MiB; invalid_argument where its shape is none.
Result<std::vector<std::byte>> values_in(std::string_view tensor, int type, std::size_t count);

}  // namespace millrace::backends
