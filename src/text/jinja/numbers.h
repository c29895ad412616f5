// Text to numbers as Python's int() and float() read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::text::jinja {

// White space around, a sign, single underscores between digits. Nothing where it is no integer or
// does not fit 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view text, int base = 10);
std::optional<double> parse_real(std::string_view text);

}  // namespace millrace::text::jinja
