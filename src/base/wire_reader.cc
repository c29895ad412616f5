#include "base/wire_reader.h"

#include <limits>

namespace millrace {
namespace {

enum WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

}  // namespace

bool take_varint(std::string_view& rest, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool WireReader::fixed(std::size_t width, std::uint64_t& value) {
  if (rest_.size() < width) return false;
  value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
  }
  rest_.remove_prefix(width);
  return true;
}

bool WireReader::next(Field& field) {
  if (failed_ || rest_.empty()) return false;
  const std::string_view before = rest_;
  const auto read = [&] {
    std::uint64_t tag = 0;
    if (!take_varint(rest_, tag) || tag >> 3 == 0 ||
        tag >> 3 > std::numeric_limits<std::uint32_t>::max()) {
      return false;
    }
    field = {.number = static_cast<std::uint32_t>(tag >> 3)};
    switch (tag & 7) {
      case kVarint:
        return take_varint(rest_, field.value);
      case kFixed64:
        return fixed(8, field.value);
      case kFixed32:
        return fixed(4, field.value);
      case kBytes: {
        std::uint64_t size = 0;
        if (!take_varint(rest_, size) || size > rest_.size()) return false;
        field.is_bytes = true;
        field.bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return true;
      }
      default:
        return false;
    }
  };
  failed_ = !read();
  field.whole = before.substr(0, before.size() - rest_.size());
  return !failed_;
}

void append_field(std::string& message, std::uint32_t number, std::string_view bytes) {
  append_varint(message, std::uint64_t{number} << 3 | kBytes);
  append_varint(message, bytes.size());
  message += bytes;
}

}  // namespace millrace
