// The header of one safetensors file.
// https://github.com/huggingface/safetensors, README, "Format"
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"

namespace millrace::weights {

struct SafetensorsLimits {
  std::size_t max_header_bytes = std::size_t{32} << 20;
  std::size_t max_tensors = 100'000;
  std::size_t max_dims = 8;
};

struct SafetensorsTensor {
  std::string name;
  TensorView view;  // may be unaligned
};

// The format has no types for blocks of 4-bit weights. Ours lie in it as U8 [rows, bytes of a row],
// and this key of __metadata__ with the tensor's name behind it says which they are: "q4_1",
// "q4_g64" or "q4_g128". Views have that type, and shape [rows, columns].
inline constexpr std::string_view kKindKey = "millrace.kind:";

struct SafetensorsHeader {
  std::map<std::string, std::string, std::less<>> metadata;
  std::vector<SafetensorsTensor> tensors;
};

// Everything is checked: the tensors cover the bytes after the header exactly, without a hole, an
// overlap or anything behind them.
Result<SafetensorsHeader> parse_safetensors(std::span<const std::byte> file,
                                            const SafetensorsLimits& limits = {});

}  // namespace millrace::weights
