// For tests: writes GGUF files, right ones and wrong ones.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace millrace::weights {

// Values and types of the format, by their published numbers.
enum GgufValueType : std::uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64,
};

class GgufBuilder {
 public:
  template <class T>
  GgufBuilder& put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    bytes_.append(bytes, sizeof(T));
    return *this;
  }
  GgufBuilder& text(std::string_view value) {
    put(std::uint64_t{value.size()});
    bytes_.append(value);
    return *this;
  }
  GgufBuilder& raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }
  GgufBuilder& header(std::uint64_t tensors, std::uint64_t pairs, std::uint32_t version = 3) {
    return raw("GGUF").put(version).put(tensors).put(pairs);
  }
  GgufBuilder& key(std::string_view name, std::uint32_t type) { return text(name).put(type); }
  GgufBuilder& u32(std::string_view name, std::uint32_t value) {
    return key(name, kU32).put(value);
  }
  GgufBuilder& string(std::string_view name, std::string_view value) {
    return key(name, kString).text(value);
  }
  GgufBuilder& array(std::string_view name, std::uint32_t type, std::uint64_t count) {
    return key(name, kArray).put(type).put(count);
  }
  GgufBuilder& strings(std::string_view name, const std::vector<std::string>& values) {
    array(name, kString, values.size());
    for (const auto& value : values) text(value);
    return *this;
  }
  GgufBuilder& tensor(std::string_view name, const std::vector<std::int64_t>& dims,
                      std::uint32_t type, std::uint64_t offset) {
    text(name).put(static_cast<std::uint32_t>(dims.size()));
    for (const std::int64_t dim : dims) put(dim);
    return put(type).put(offset);
  }
  GgufBuilder& pad(std::size_t alignment = 32) {
    while (bytes_.size() % alignment != 0) bytes_.push_back('\0');
    return *this;
  }
  GgufBuilder& data(std::size_t count, char fill = '\0') {
    bytes_.append(count, fill);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace millrace::weights
