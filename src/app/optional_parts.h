// The parts that a build may have or lack, and what to do for each. A new part is one row in
// optional_parts.cc.
#pragma once

#include <string>
#include <vector>

namespace millrace::app {

struct OptionalPart {
  std::string name;  // "GPU kernels"
  bool present = false;
  std::string detail{};  // what it gives, or without it does not
  std::string fix{};     // what to do where it is missing; empty: nothing can be done yet
};

std::vector<OptionalPart> optional_parts();

}  // namespace millrace::app
