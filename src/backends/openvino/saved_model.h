// What a TensorFlow SavedModel's file says of its signatures: which tensors of the graph go in and
// come out, and the names that clients know them by. Hostile input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::backends {

inline constexpr const char* kDefaultSignature = "serving_default";

struct SignatureTensor {
  std::string name{};                               // the signature's
  std::string tensor{};                             // the graph's: "x:0"
  int type = 0;                                     // of TensorFlow's DataType
  std::optional<std::vector<std::int64_t>> dims{};  // none: any rank
};

struct Signature {
  std::string name{};
  std::string method{};  // "tensorflow/serving/predict"
  std::vector<SignatureTensor> inputs{}, outputs{};
  bool of_features = false;  // the inputs are not the file's, but behind its parser of examples
};

// Those with inputs and outputs, the default first, then by name. Where one takes serialised
// examples and the graph parses them, its inputs are the features that its outputs need, behind the
// parser. Empty where the file has none; invalid_argument where it is malformed.
Result<std::vector<Signature>> read_signatures(std::string_view file);

// The same file with this signature as its default and only one.
std::string with_only(std::string_view file, const Signature& signature);

}  // namespace millrace::backends
