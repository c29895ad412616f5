// What JsonReader and JsonWriter know of the bytes of a string.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::api {

// How many bytes at the start of `text` stand for themselves within quotes, and are ASCII. Eight at
// a time: the lowest bit that is set below belongs to the first byte that is not (bits above it may
// be set for nothing).
inline std::size_t num_plain_in_json(std::string_view text) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = kOnes << 7;
  const auto find = [](std::uint64_t bytes) {
    const auto zeros = [](std::uint64_t x) { return (x - kOnes) & ~x; };
    const std::uint64_t controls = (bytes - kOnes * 0x20) & ~bytes;
    const std::uint64_t marks = zeros(bytes ^ (kOnes * '"')) | zeros(bytes ^ (kOnes * '\\'));
    return static_cast<std::size_t>(std::countr_zero((bytes | controls | marks) & kHighs)) / 8;
  };
  std::size_t i = 0;
  std::uint64_t bytes = 0;
  for (; i + sizeof bytes <= text.size(); i += sizeof bytes) {
    std::memcpy(&bytes, text.data() + i, sizeof bytes);
    if (const std::size_t plain = find(bytes); plain < sizeof bytes) return i + plain;
  }
  if (i == text.size()) return i;
  bytes = kOnes * '"';  // ends what is left
  std::memcpy(&bytes, text.data() + i, text.size() - i);
  return i + find(bytes);
}

// Bytes of the well-formed UTF-8 character at the start of `text`, which is not empty; 0 where
// there is none.
std::size_t utf8_character_size(std::string_view text);

}  // namespace millrace::api
