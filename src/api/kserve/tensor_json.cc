#include "api/kserve/tensor_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <utility>

#include "api/json_text.h"
#include "api/json_writer.h"
#include "api/kserve/datatypes.h"

namespace millrace::api {
namespace {

template <class T>
void append_value(std::vector<std::byte>& out, T value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

template <std::integral T>
bool append_integer(const JsonScalar& value, std::vector<std::byte>& out) {
  const auto append = [&](auto number) {
    if (!std::in_range<T>(number)) return false;
    append_value(out, static_cast<T>(number));
    return true;
  };
  if (const auto* number = std::get_if<std::int64_t>(&value)) return append(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return append(*number);
  return false;
}

template <std::floating_point T>
bool append_float(const JsonScalar& value, std::vector<std::byte>& out) {
  double number = 0;
  if (const auto* real = std::get_if<double>(&value)) {
    number = *real;
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    number = static_cast<double>(*whole);
  } else if (const auto* large = std::get_if<std::uint64_t>(&value)) {
    number = static_cast<double>(*large);
  } else {
    return false;
  }
  if (std::isinf(static_cast<T>(number))) return false;
  append_value(out, static_cast<T>(number));
  return true;
}

// Depth is bounded by the reader.
bool append_elements(JsonReader& json, DType dtype, std::vector<std::byte>& out) {
  json.open_array();
  while (json.next_element()) {
    if (json.kind() == JsonReader::Kind::array) {
      if (!append_elements(json, dtype, out)) return false;
    } else if (!append_json_element(json.scalar(), dtype, out)) {
      return false;
    }
  }
  return !json.failed();
}

template <class T, class Write>
bool write_all(std::span<const std::byte> data, Write write) {
  for (std::size_t at = 0; at + sizeof(T) <= data.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, data.data() + at, sizeof value);
    if (!write(value)) return false;
  }
  return true;
}

template <std::integral T>
bool write_integers(JsonWriter& json, std::span<const std::byte> data) {
  return write_all<T>(data, [&](T value) {
    if constexpr (std::same_as<T, std::uint64_t>) {
      json.raw(fmt::format_int(value).c_str());
    } else {
      json.integer(value);
    }
    return true;
  });
}

template <std::floating_point T>
bool write_floats(JsonWriter& json, std::span<const std::byte> data) {
  return write_all<T>(data, [&](T value) {
    if (!std::isfinite(value)) return false;
    json.number(value);
    return true;
  });
}

bool is_text(std::string_view bytes) {  // UTF-8
  while (!bytes.empty()) {
    const std::size_t size = utf8_character_size(bytes);
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

bool write_elements(JsonWriter& json, DType dtype, std::span<const std::byte> data) {
  switch (dtype) {
    case DType::boolean:
      return write_all<std::uint8_t>(data,
                                     [&](std::uint8_t v) { return json.boolean(v != 0), true; });
    case DType::u8:
      return write_integers<std::uint8_t>(json, data);
    case DType::u16:
      return write_integers<std::uint16_t>(json, data);
    case DType::u32:
      return write_integers<std::uint32_t>(json, data);
    case DType::u64:
      return write_integers<std::uint64_t>(json, data);
    case DType::i8:
      return write_integers<std::int8_t>(json, data);
    case DType::i16:
      return write_integers<std::int16_t>(json, data);
    case DType::i32:
      return write_integers<std::int32_t>(json, data);
    case DType::i64:
      return write_integers<std::int64_t>(json, data);
    case DType::f32:
      return write_floats<float>(json, data);
    case DType::f64:
      return write_floats<double>(json, data);
    case DType::bytes:
      for (const std::string_view text : bytes_elements(data)) {
        if (!is_text(text)) return false;
        json.string(text);
      }
      return true;
    default:
      return false;
  }
}

}  // namespace

bool append_json_element(const JsonScalar& value, DType dtype, std::vector<std::byte>& out) {
  switch (dtype) {
    case DType::boolean:
      if (const auto* flag = std::get_if<bool>(&value)) {
        out.push_back(static_cast<std::byte>(*flag ? 1 : 0));
        return true;
      }
      return false;
    case DType::u8:
      return append_integer<std::uint8_t>(value, out);
    case DType::u16:
      return append_integer<std::uint16_t>(value, out);
    case DType::u32:
      return append_integer<std::uint32_t>(value, out);
    case DType::u64:
      return append_integer<std::uint64_t>(value, out);
    case DType::i8:
      return append_integer<std::int8_t>(value, out);
    case DType::i16:
      return append_integer<std::int16_t>(value, out);
    case DType::i32:
      return append_integer<std::int32_t>(value, out);
    case DType::i64:
      return append_integer<std::int64_t>(value, out);
    case DType::f32:
      return append_float<float>(value, out);
    case DType::f64:
      return append_float<double>(value, out);
    case DType::bytes:
      if (const auto* text = std::get_if<std::string_view>(&value)) {
        append_bytes_element(out, *text);
        return true;
      }
      return false;
    default:
      return false;
  }
}

bool append_json_element(const json::value& value, DType dtype, std::vector<std::byte>& out) {
  JsonScalar scalar;
  if (const auto* number = value.if_int64()) {
    scalar = *number;
  } else if (const auto* large = value.if_uint64()) {
    scalar = *large;
  } else if (const auto* real = value.if_double()) {
    scalar = *real;
  } else if (const auto* flag = value.if_bool()) {
    scalar = *flag;
  } else if (const auto* text = value.if_string()) {
    scalar = std::string_view(*text);
  }
  return append_json_element(scalar, dtype, out);
}

Result<std::vector<std::byte>> tensor_from_json(std::string_view data, DType dtype,
                                                const Label& label) {
  if (!data.starts_with('[')) return invalid(fmt::format("{}: 'data' must be an array", label));
  if (!fits_json(dtype)) {
    return invalid(fmt::format("{}: {} values cannot be sent as JSON; send them as binary data",
                               label, datatype_name(dtype)));
  }
  const JsonLimits limits{.max_bytes = data.size(), .max_values = data.size()};
  JsonReader json(data, limits);
  std::vector<std::byte> out;
  const auto commas = static_cast<std::size_t>(std::ranges::count(data, ','));
  out.reserve(std::min(commas + 1, JsonLimits().max_values) * dtype_block_bytes(dtype));
  if (append_elements(json, dtype, out)) return out;
  return invalid(
      fmt::format("{}: 'data' holds a value that is no {}", label, datatype_name(dtype)));
}

Status append_tensor_json(std::string& out, DType dtype, std::span<const std::byte> data,
                          const Label& label) {
  if (!fits_json(dtype)) {
    return invalid(fmt::format("{} is {}, which JSON cannot carry; ask for it as binary data",
                               label, datatype_name(dtype)));
  }
  JsonWriter json(out);
  json.open_array();
  if (!write_elements(json, dtype, data)) {
    return invalid(
        fmt::format("{} holds {}, which JSON cannot carry; ask for it as binary data", label,
                    dtype == DType::bytes ? "bytes that are no text" : "NaN or infinity"));
  }
  json.close_array();
  return {};
}

void append_bytes_element(std::vector<std::byte>& out, std::string_view text) {
  append_value(out, static_cast<std::uint32_t>(text.size()));
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), bytes, bytes + text.size());
}

std::vector<std::string_view> bytes_elements(std::span<const std::byte> data) {
  std::vector<std::string_view> out;
  while (data.size() >= sizeof(std::uint32_t)) {
    std::uint32_t length = 0;
    std::memcpy(&length, data.data(), sizeof length);
    data = data.subspan(sizeof length);
    if (length > data.size()) break;
    out.emplace_back(reinterpret_cast<const char*>(data.data()), length);
    data = data.subspan(length);
  }
  return out;
}

}  // namespace millrace::api
