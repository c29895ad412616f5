// Sparse and ragged features (FeatureSpec) as clients send their parts: operators index memory by
// what these say, and take as much of it.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "servable/description.h"

namespace millrace::backends {

// Nothing to check where it is false.
bool has_feature_parts(const ModelDescription& description);

// invalid_argument, with the input's name, where indices are not within the shape, shape or row
// splits are none, parts do not have the same number of values, or the feature as a dense tensor
// would be too large. The parts that the model does not need are taken as right.
Status check_feature_parts(const ModelDescription& description,
                           std::span<const InputTensor> inputs);

}  // namespace millrace::backends
