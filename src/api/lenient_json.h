// JSON with the numbers that RFC 8259 leaves out, as TensorFlow Serving and Python read and write
// them: NaN, Infinity, -Infinity (and Inf).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace millrace::api {

// Strict in all else. Such a number becomes an object that special_number knows.
Result<json::value> parse_lenient_json(std::string_view text, const JsonLimits& limits);
// Empty for any other value.
std::optional<double> special_number(const json::value& value);

// The shortest text that reads back the same, always with a fraction ("3.0"), or NaN, Infinity,
// -Infinity.
void append_lenient_number(std::string& out, float value);
void append_lenient_number(std::string& out, double value);

}  // namespace millrace::api
