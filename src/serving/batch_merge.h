// Merging requests along axis 0 and taking the results apart again. Nothing is copied here: inputs
// become parts of one tensor, outputs are views of one result.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "servable/description.h"

namespace millrace::serving {

// The same sizes beside axis 0, in every input.
bool can_merge(const std::vector<InputTensor>& a, const std::vector<InputTensor>& b);

// At least one request; all can be merged.
std::vector<InputTensor> merge(std::span<const std::vector<InputTensor>* const> requests);

// The outputs of each request, rows[i] rows for the i-th. internal where an output does not have
// that many rows.
Result<std::vector<std::vector<OutputTensor>>> split(const ModelDescription& model,
                                                     const std::vector<OutputTensor>& outputs,
                                                     std::span<const std::int64_t> rows);

}  // namespace millrace::serving
