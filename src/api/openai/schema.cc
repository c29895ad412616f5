#include "api/openai/schema.h"

#include <fmt/format.h>

#include <cmath>

namespace millrace::api {
namespace {

constexpr double kTwo53 = 9007199254740992.0;

std::string_view kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

bool inside(double value, Range range) {
  return value <= range.max && (range.open_min ? value > range.min : value >= range.min);
}

std::string describe(Range range) {
  if (std::isinf(range.max)) {
    return fmt::format("{} {}", range.open_min ? "above" : "at least", range.min);
  }
  if (std::isinf(range.min)) return fmt::format("at most {}", range.max);
  return range.open_min ? fmt::format("above {} and at most {}", range.min, range.max)
                        : fmt::format("from {} to {}", range.min, range.max);
}

std::unexpected<Error> out_of_range(std::string_view name, std::string_view what, Range range) {
  return invalid(fmt::format("Invalid '{}': expected {} {}.", name, what, describe(range)),
                 std::string(name), "value_out_of_range");
}

}  // namespace

std::unexpected<Error> wrong_type(std::string_view name, std::string_view expected,
                                  const json::value& value) {
  return invalid(fmt::format("Invalid type for '{}': expected {}, but got {} instead.", name,
                             expected, kind_name(value)),
                 std::string(name), "invalid_type");
}

std::unexpected<Error> missing(std::string_view name) {
  return invalid(fmt::format("Missing required parameter: '{}'.", name), std::string(name),
                 "missing_required_parameter");
}

std::unexpected<Error> unsupported(std::string_view name, std::string_view why) {
  return invalid(
      fmt::format("Unsupported parameter: '{}'{}{}.", name, why.empty() ? "" : ": ", why),
      std::string(name), "unsupported_parameter");
}

Result<bool> read_boolean(std::string_view name, const json::value& value) {
  if (!value.is_bool()) return wrong_type(name, "a boolean", value);
  return value.as_bool();
}

Result<std::int64_t> read_integer(std::string_view name, const json::value& value, Range range) {
  std::int64_t integer = 0;
  if (value.is_int64()) {
    integer = value.as_int64();
  } else if (value.is_uint64()) {  // the parser's kind for what is above 2^63 - 1
    return out_of_range(name, "an integer", range);
  } else if (value.is_double()) {
    const double number = value.as_double();
    if (std::abs(number) > kTwo53) return out_of_range(name, "an integer", range);
    if (number != std::floor(number)) return wrong_type(name, "an integer", value);
    integer = static_cast<std::int64_t>(number);
  } else {
    return wrong_type(name, "an integer", value);
  }
  if (!inside(static_cast<double>(integer), range)) return out_of_range(name, "an integer", range);
  return integer;
}

Result<double> read_number(std::string_view name, const json::value& value, Range range) {
  if (!value.is_number()) return wrong_type(name, "a number", value);
  const auto number = value.to_number<double>();
  if (!inside(number, range)) return out_of_range(name, "a number", range);
  return number;
}

Result<std::string> read_string(std::string_view name, const json::value& value, Range range) {
  if (!value.is_string()) return wrong_type(name, "a string", value);
  const json::string& text = value.as_string();
  if (!inside(static_cast<double>(text.size()), range)) {
    return invalid(
        fmt::format("Invalid '{}': expected a string of {} bytes.", name, describe(range)),
        std::string(name), "value_out_of_range");
  }
  return std::string(text);
}

}  // namespace millrace::api
