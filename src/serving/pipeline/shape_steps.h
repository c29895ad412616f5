// Steps that move elements and compute nothing: concat, stack, reshape, cast, gather, choose,
// constant.
#pragma once

#include <span>

#include "serving/pipeline/step.h"

namespace millrace::serving {

std::span<const StepKind> shape_steps();

}  // namespace millrace::serving
