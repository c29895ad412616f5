// Steps over scores: softmax, top_k, argmax, threshold, filter.
#pragma once

#include <span>

#include "serving/pipeline/step.h"

namespace millrace::serving {

std::span<const StepKind> number_steps();

}  // namespace millrace::serving
