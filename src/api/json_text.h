// What JsonReader and JsonWriter know of the bytes of a string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::api {

// Stands for itself within quotes, and is ASCII.
constexpr bool is_plain_in_json(char c) {
  return c >= 0x20 && static_cast<unsigned char>(c) < 0x80 && c != '"' && c != '\\';
}

// How many bytes at the start of `text` are so.
inline std::size_t num_plain_in_json(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = kOnes << 7;
  const auto has_zero = [](std::uint64_t x) { return (x - kOnes) & ~x; };
  std::size_t i = 0;
  for (; i + sizeof(std::uint64_t) <= text.size(); i += sizeof(std::uint64_t)) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, text.data() + i, sizeof bytes);
    const std::uint64_t controls = (bytes - kOnes * 0x20) & ~bytes;
    const std::uint64_t marks = has_zero(bytes ^ (kOnes * '"')) | has_zero(bytes ^ (kOnes * '\\'));
    if (((bytes | controls | marks) & kHighs) != 0) break;
  }
  while (i < text.size() && is_plain_in_json(text[i])) ++i;
  return i;
}

// Bytes of the well-formed UTF-8 character at the start of `text`, which is not empty; 0 where
// there is none.
std::size_t utf8_character_size(std::string_view text);

}  // namespace millrace::api
