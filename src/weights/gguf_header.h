// The header of one GGUF file: metadata and where its tensors lie. Versions 2 and 3, little-endian.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"
#include "weights/weight_file.h"

namespace millrace::weights {

struct GgufLimits {
  std::size_t max_metadata_bytes = std::size_t{256} << 20;
  std::size_t max_keys = 65'536;
  std::size_t max_string_bytes = std::size_t{1} << 20;
  std::size_t max_array_elements = 4'000'000;  // all arrays together: memory stays ≤ 4 × the file
  std::size_t max_tensors = 100'000;
};

struct NamedTensor {
  std::string name;
  TensorView view;
};

struct GgufHeader {
  std::map<std::string, MetaValue, std::less<>> metadata;
  std::vector<NamedTensor> tensors;  // in the file's order; views point into the file's bytes
};

// Everything is checked: every tensor lies inside the file, aligned, and overlaps no other.
Result<GgufHeader> parse_gguf(std::span<const std::byte> file, const GgufLimits& limits = {});

}  // namespace millrace::weights
