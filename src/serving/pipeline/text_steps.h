// Steps from and to text: tokenise, labels, map_json.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serving/pipeline/step.h"

namespace millrace::serving {

std::span<const StepKind> text_steps();

// One a line, without the line ends; a last empty line is none.
std::vector<std::string> read_labels(std::string_view text);
// The label, or the index itself where there is none.
std::string label_of(const std::vector<std::string>& labels, std::int64_t index);

}  // namespace millrace::serving
