// For tests: the messages of a TensorFlow graph, byte by byte, so that they may be malformed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/wire_reader.h"

namespace millrace::backends {

inline std::string field(std::uint32_t number, const std::string& bytes) {
  std::string out;
  append_field(out, number, bytes);
  return out;
}

inline std::string number(std::uint32_t of_field, std::int64_t value) {
  std::string out(1, static_cast<char>(of_field << 3));
  auto left = static_cast<std::uint64_t>(value);
  for (; left >= 0x80; left >>= 7) out += static_cast<char>((left & 0x7f) | 0x80);
  return out + static_cast<char>(left);
}

inline std::string entry(const std::string& key, const std::string& value) {
  return field(1, key) + field(2, value);
}

inline std::string attribute(const std::string& name, const std::string& value) {
  return field(5, entry(name, value));
}

inline std::string node(const std::string& name, const std::string& op,
                        const std::vector<std::string>& inputs,
                        const std::string& attributes = "") {
  std::string out = field(1, name) + field(2, op);
  for (const std::string& input : inputs) out += field(3, input);
  return field(1, out + attributes);
}

}  // namespace millrace::backends
