// Serialised tf.Examples (tensorflow/core/example/example.proto) to the inputs of a model: what
// TensorFlow's own graphs do by ParseExample. Hostile input.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/tensor_request.h"

namespace millrace::api {

inline constexpr std::size_t kMaxExamples = std::size_t{1} << 20;

struct SerialisedExamples {
  std::vector<std::string_view> examples{};
  std::string_view context{};  // an example whose features all of them have, unless their own
};

// Fills the request's inputs and owner: an input of the request's model is the feature of its name.
// Copies. Errors name the input and the example.
Status read_examples(const SerialisedExamples& from, serving::TensorRequest& request);

// Where the request has the model's input of serialised examples, the same with what it holds; else
// the request stays as it is.
Status expand_examples(serving::TensorRequest& request);

}  // namespace millrace::api
