#include "backends/openvino/tensor_proto.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "backends/openvino/tensor_shape.h"
#include "base/wire_reader.h"

namespace millrace::backends {
namespace {

// Of TensorProto.
constexpr std::uint32_t kType = 1, kShape = 2, kContent = 4, kFloats = 5, kStrings = 8, kInts = 10;

constexpr std::size_t kMostBytes = std::size_t{1} << 20;

void append(std::string& out, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i));
}

// One element after the other, each as a tensor holds it.
std::vector<std::string> elements_of(const WireReader::Field& field, int type) {
  std::vector<std::string> elements;
  std::string_view rest = field.bytes;
  std::uint64_t value = 0;
  if (type == kTypeString && field.number == kStrings) {
    append(elements.emplace_back(), rest.size(), sizeof(std::uint32_t));
    elements.back() += rest;
  } else if (type == kTypeFloat && field.number == kFloats) {
    if (!field.is_bytes) append(elements.emplace_back(), field.value, sizeof(float));
    for (; rest.size() >= sizeof(float); rest.remove_prefix(sizeof(float))) {
      elements.emplace_back(rest.substr(0, sizeof(float)));
    }
  } else if (type == kTypeInt64 && field.number == kInts) {
    if (!field.is_bytes) append(elements.emplace_back(), field.value, sizeof(std::int64_t));
    while (take_varint(rest, value)) append(elements.emplace_back(), value, sizeof(std::int64_t));
  }
  return elements;
}

// Nothing where a size is open, or there are too many.
std::optional<std::size_t> elements_in(const std::optional<Dims>& shape) {
  if (!shape) return std::nullopt;
  std::size_t product = 1;
  for (const std::int64_t size : *shape) {
    if (size < 0 || __builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return product;
}

}  // namespace

std::vector<std::string_view> strings_in(std::string_view tensor) {
  std::vector<std::string_view> strings;
  WireReader reader(tensor);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kStrings) strings.push_back(field.bytes);
  }
  return strings;
}

Result<std::vector<std::byte>> values_in(std::string_view tensor, int type, std::size_t count) {
  constexpr auto nothing = [] { return std::vector<std::byte>(); };
  std::uint64_t its_type = 0;
  std::optional<Dims> shape = Dims();
  std::string values, last;
  std::size_t given = 0;
  std::string_view content;
  WireReader reader(tensor);
  for (WireReader::Field field; reader.next(field);) {
    if (field.number == kType) its_type = field.value;
    if (field.number == kShape) {
      auto read = read_tensor_shape(field.bytes);
      if (!read) return pass(read);
      shape = *std::move(read);
    }
    if (field.number == kContent) content = field.bytes;
    for (std::string& element : elements_of(field, type)) {
      values += element;
      last = std::move(element);
      ++given;
    }
    if (values.size() > kMostBytes) return nothing();
  }
  const std::size_t width = type == kTypeInt64 ? sizeof(std::int64_t) : sizeof(float);
  if (its_type != static_cast<std::uint64_t>(type) || elements_in(shape) != count) {
    return nothing();
  }
  if (given > count || count > kMostBytes / width) return nothing();
  if (!content.empty() && type != kTypeString) {
    if (content.size() != count * width) return nothing();
    values = content;
    given = count;
  }
  // Without any value all are zero, or empty strings (of length 0).
  if (last.empty()) last.assign(width, '\0');
  for (; given < count; ++given) {
    values += last;
    if (values.size() > kMostBytes) return nothing();
  }
  const auto bytes = std::as_bytes(std::span(values));
  return std::vector(bytes.begin(), bytes.end());
}

}  // namespace millrace::backends
