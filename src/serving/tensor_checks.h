// From what a client sent to what a model takes: every tensor named once, of the right type, with a
// shape that fits and as many bytes as the shape says. Nothing passes that a backend would have to
// doubt.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "servable/description.h"
#include "serving/tensor_request.h"

namespace millrace::serving {

// The inputs in the model's order. Errors name the tensor in `param`.
Result<std::vector<InputTensor>> check_inputs(const ModelDescription& model,
                                              const std::vector<NamedTensor>& given);

// Rows of axis 0, the same in every input. invalid_argument where they differ. Only for models
// whose axis 0 is a batch.
Result<std::int64_t> num_rows(const ModelDescription& model,
                              const std::vector<InputTensor>& inputs);

// "[2,-1]", for people.
std::string to_string(std::span<const std::int64_t> dims);

}  // namespace millrace::serving
