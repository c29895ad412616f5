// The tables in front of tensors: what WeightWriter writes first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "weights/weight_writer.h"

namespace millrace::weights {

inline constexpr std::uint64_t kGgufAlignment = 32;  // the format's default

// Ends where the first tensor begins.
Result<std::string> gguf_head(const Metadata& metadata, const std::vector<DeclaredTensor>& tensors);
Result<std::string> safetensors_head(const Metadata& metadata,
                                     const std::vector<DeclaredTensor>& tensors);

}  // namespace millrace::weights
