// ByteCursor: reads little-endian values from hostile bytes. A read past the end fails and moves
// nothing; lengths are compared with what remains before anybody allocates.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace millrace::weights {

static_assert(std::endian::native == std::endian::little, "model files are little-endian");

class ByteCursor {
 public:
  explicit ByteCursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  template <class T>
    requires std::is_arithmetic_v<T>
  [[nodiscard]] bool read(T& out) {
    if (remaining() < sizeof(T)) return false;
    std::memcpy(&out, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  // A view of the next `size` bytes; it points into the file.
  [[nodiscard]] bool read_text(std::uint64_t size, std::string_view& out) {
    if (remaining() < size) return false;
    out = {reinterpret_cast<const char*>(bytes_.data()) + position_,
           static_cast<std::size_t>(size)};
    position_ += static_cast<std::size_t>(size);
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace millrace::weights
