// A graph's variables (ReadValue, Assign) made inputs and outputs, so that the state of a sequence
// lies with the one who asks, and not in whichever infer request happened to serve it.
#pragma once

#include <memory>
#include <openvino/openvino.hpp>
#include <vector>

#include "base/result.h"
#include "servable/description.h"

namespace millrace::backends {

// Changes the model: each variable becomes the next further input and the next further output, in
// the order of the pairs. Their names are the variable's, and the same with "/next". Errors: a
// first value that is computed, or a variable that is not read and written once.
Result<std::vector<StatePair>> make_state_visible(const std::shared_ptr<ov::Model>& model);

}  // namespace millrace::backends
