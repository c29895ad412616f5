// GGUF's tensor types by number. Our own groups of 64 and 128 have numbers far outside ggml's
// range, so that no other program takes them for something else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/dtype.h"

namespace millrace::weights {

// Nothing for types that are not supported here, were removed, or never were.
std::optional<DType> gguf_dtype(std::uint32_t type);
// The other way; nothing for types that GGUF files do not have.
std::optional<std::uint32_t> gguf_type_of(DType type);
// For error messages: "IQ2_XXS", or "number 77" where the number is not known.
std::string gguf_type_name(std::uint32_t type);

}  // namespace millrace::weights
