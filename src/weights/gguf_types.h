// GGUF's tensor types by number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/dtype.h"

namespace millrace::weights {

// Nothing for types that are not supported here, were removed, or never were.
std::optional<DType> gguf_dtype(std::uint32_t type);
// For error messages: "IQ2_XXS", or "number 77" where the number is not known.
std::string gguf_type_name(std::uint32_t type);

}  // namespace millrace::weights
