// Header field syntax (RFC 9110 §5) shared by the request, response and trailer readers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

// How many bytes at the start of `text` are SP or VCHAR; it may stop up to seven short of them.
// Eight at a time: the lowest bit that is set below belongs to the first byte that is neither.
inline std::size_t num_visible(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = kOnes << 7;
  std::size_t i = 0;
  std::uint64_t bytes = 0;
  for (; i + sizeof bytes <= text.size(); i += sizeof bytes) {
    std::memcpy(&bytes, text.data() + i, sizeof bytes);
    const std::uint64_t controls = (bytes - kOnes * 0x20) & ~bytes;
    const std::uint64_t not_del = bytes ^ (kOnes * 0x7F);
    const std::uint64_t others = (bytes | controls | ((not_del - kOnes) & ~not_del)) & kHighs;
    if (others != 0) return i + static_cast<std::size_t>(std::countr_zero(others)) / 8;
  }
  return i;
}

struct FieldLine {
  std::string_view name;
  std::string_view raw_value;  // all that follows the colon
  std::string_view value;      // without optional white space around it
};
// One line without its CRLF. Empty for folding, an empty or non-token name or a space before ':'.
std::optional<FieldLine> split_field_line(std::string_view line);

}  // namespace millrace::net
