#include "net/field_syntax.h"

#include <array>
#include <cstdint>

namespace millrace::net {
namespace {

constexpr std::array<bool, 256> make_token_bytes() {
  std::array<bool, 256> set{};
  for (const char c : std::string_view(
           "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
    set[static_cast<std::uint8_t>(c)] = true;
  }
  return set;
}
constexpr auto kTokenBytes = make_token_bytes();

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool is_token(std::string_view text) {
  bool all = !text.empty();
  for (const char c : text) all &= kTokenBytes[static_cast<std::uint8_t>(c)];
  return all;
}

bool is_field_value(std::string_view value) {
  for (const char c : value.substr(num_visible(value))) {
    if (!is_field_byte(c)) return false;
  }
  return true;
}

std::optional<FieldLine> split_field_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return std::nullopt;
  const std::string_view raw = line.substr(colon + 1);
  return FieldLine{line.substr(0, colon), raw, trim(raw)};
}

}  // namespace millrace::net
