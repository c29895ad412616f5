// Hashing for the tokenizers' tables. The multiplier is drawn once a process, so that a file cannot
// be written to make its keys collide.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::text {

std::uint64_t random_odd_multiplier();  // the same for the life of the process

inline std::uint64_t load_bytes_8(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// Up to 16 bytes as two words, zero-padded. Reads inside the string only. The length belongs to the
// key: "a" and "a\0" give the same words.
struct ShortKey {
  std::uint64_t low;
  std::uint64_t high;
  friend bool operator==(const ShortKey&, const ShortKey&) = default;
};
inline ShortKey short_key(std::string_view s) {  // 1 ≤ size ≤ 16
  const char* const p = s.data();
  const std::size_t n = s.size();
  if (n > 8) return {load_bytes_8(p), load_bytes_8(p + n - 8) >> (8 * (16 - n))};
  if (n == 8) return {load_bytes_8(p), 0};
  if (n >= 4) {  // the two loads overlap in bytes that are the same
    std::uint32_t first;
    std::uint32_t last;
    std::memcpy(&first, p, 4);
    std::memcpy(&last, p + n - 4, 4);
    return {first | std::uint64_t{last} << (8 * (n - 4)), 0};
  }
  const auto byte = [&](std::size_t i) {
    return std::uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  };
  return {byte(0) | byte(n / 2) | byte(n - 1), 0};
}

inline std::uint64_t mix(std::uint64_t word, std::uint64_t multiplier) {
  word *= multiplier;
  return word ^ word >> 32;
}

inline std::uint64_t hash_string(std::string_view s, std::uint64_t multiplier) {
  std::uint64_t hash = s.size();
  while (s.size() > 16) {
    hash = mix(hash ^ load_bytes_8(s.data()), multiplier);
    s.remove_prefix(8);
  }
  if (s.empty()) return mix(hash, multiplier);
  const ShortKey key = short_key(s);
  return mix(mix(hash ^ key.low, multiplier) ^ key.high, multiplier);
}

}  // namespace millrace::text
