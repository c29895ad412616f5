// In which order the steps of a file can run: each behind all that it needs.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "serving/pipeline/pipeline_file.h"

namespace millrace::serving {

// Indices of file.steps. Errors: a source that is no step, steps that need each other in a circle.
Result<std::vector<std::size_t>> order_steps(const PipelineFile& file);

}  // namespace millrace::serving
