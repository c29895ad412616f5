// `when = "any(detector.scores) > 0.5"`: whether a step runs.
//
//   condition = what op number
//   what      = source | any(source) | all(source) | min(source) | max(source) | rows(source)
//   op        = > | >= | < | <= | == | !=
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serving/pipeline/step.h"

namespace millrace::serving {

// "step.output", "input.name", or "step" alone where it has one output.
struct SourceName {
  std::string step;
  std::string output{};  // empty: the only one
};
Result<SourceName> read_source(std::string_view text);
std::string to_string(const SourceName& source);

struct Condition {
  enum class Of : std::uint8_t { value, any, all, min, max, rows };
  enum class Op : std::uint8_t { more, at_least, less, at_most, equal, unequal };
  Of of = Of::value;
  SourceName source{};
  Op op = Op::more;
  double number = 0;

  // `value` alone needs exactly one element. Of no elements any is false, all is true, min and max
  // hold for no comparison. invalid_argument where it cannot be said.
  Result<bool> holds(const Value& value) const;
};

Result<Condition> read_condition(std::string_view text);

}  // namespace millrace::serving
