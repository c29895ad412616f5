#include "text/jinja/numbers.h"

#include <charconv>
#include <limits>
#include <string>

#include "text/jinja/utf8.h"

namespace millrace::text::jinja {
namespace {

// Without white space around and underscores between digits; empty where they are misplaced.
std::string bare(std::string_view text) {
  text = strip_right(strip_left(text));
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || i + 1 == text.size() || text[i - 1] == '_') {
      return {};
    }
  }
  return out;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
  std::string digits = bare(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.erase(0, 1);
  if (digits.size() > 2 && digits[0] == '0') {
    const char mark = static_cast<char>(digits[1] | 0x20);
    if ((base == 16 && mark == 'x') || (base == 8 && mark == 'o') || (base == 2 && mark == 'b')) {
      digits.erase(0, 2);
    }
  }
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  const std::string whole = (negative ? std::string(1, '-') : std::string()) + digits;
  std::int64_t number = 0;
  const char* const end = whole.data() + whole.size();
  const auto [stop, error] = std::from_chars(whole.data(), end, number, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<double> parse_real(std::string_view text) {
  std::string digits = bare(text);
  if (digits.starts_with('+')) digits.erase(0, 1);
  if (digits.empty() || digits.starts_with('+')) return std::nullopt;
  double number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {  // too large; too small became zero
    const bool tiny =
        digits.find("e-") != std::string::npos || digits.find("E-") != std::string::npos;
    const double size = tiny ? 0.0 : std::numeric_limits<double>::infinity();
    return digits[0] == '-' ? -size : size;
  }
  if (error != std::errc()) return std::nullopt;
  return number;
}

}  // namespace millrace::text::jinja
