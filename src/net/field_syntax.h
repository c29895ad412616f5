// Header field syntax (RFC 9110 §5) shared by the request, response and trailer readers.
#pragma once

#include <optional>
#include <string_view>

namespace millrace::net {

bool is_token(std::string_view text);  // 1*tchar
// HTAB, SP, VCHAR or obs-text.
constexpr bool is_field_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
}
bool is_field_value(std::string_view value);  // only such bytes

struct FieldLine {
  std::string_view name;
  std::string_view raw_value;  // all that follows the colon
  std::string_view value;      // without optional white space around it
};
// One line without its CRLF. Empty for folding, an empty or non-token name or a space before ':'.
std::optional<FieldLine> split_field_line(std::string_view line);

}  // namespace millrace::net
