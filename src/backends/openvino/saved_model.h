// What a TensorFlow SavedModel's file says of its signatures: which tensors of the graph go in and
// come out, and the names that clients know them by. Hostile input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/openvino/graph_def.h"
#include "base/result.h"

namespace millrace::backends {

inline constexpr const char* kDefaultSignature = "serving_default";

struct SignatureTensor {
  std::string name{};          // the signature's
  std::string tensor{};        // the graph's: "x:0"
  int type = 0;                // of TensorFlow's DataType
  std::optional<Dims> dims{};  // none: any rank
};

struct Signature {
  std::string name{};
  std::string method{};  // "tensorflow/serving/predict"
  std::vector<SignatureTensor> inputs{}, outputs{};
  std::optional<ExampleParser> parser{};  // of the only input, which is serialised examples
};

// Those with inputs and outputs, the default first, then by name. Empty where the file has none;
// invalid_argument where it is malformed, be it a shape that a signature needs of the graph.
Result<std::vector<Signature>> read_signatures(std::string_view file);

// The same file with this signature as its default and only one.
std::string with_only(std::string_view file, const Signature& signature);

}  // namespace millrace::backends
