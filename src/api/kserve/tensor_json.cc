#include "api/kserve/tensor_json.h"

#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>

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
bool append_integer(const json::value& value, std::vector<std::byte>& out) {
  if (const auto* number = value.if_int64()) {
    if (!std::in_range<T>(*number)) return false;
    append_value(out, static_cast<T>(*number));
    return true;
  }
  if (const auto* number = value.if_uint64()) {
    if (!std::in_range<T>(*number)) return false;
    append_value(out, static_cast<T>(*number));
    return true;
  }
  return false;
}

template <std::floating_point T>
bool append_float(const json::value& value, std::vector<std::byte>& out) {
  double number = 0;
  if (const auto* real = value.if_double()) {
    number = *real;
  } else if (const auto* whole = value.if_int64()) {
    number = static_cast<double>(*whole);
  } else if (const auto* large = value.if_uint64()) {
    number = static_cast<double>(*large);
  } else {
    return false;
  }
  if (std::isinf(static_cast<T>(number))) return false;
  append_value(out, static_cast<T>(number));
  return true;
}

// Depth is bounded by the parser.
bool append_elements(const json::array& array, DType dtype, std::vector<std::byte>& out) {
  for (const json::value& value : array) {
    if (const auto* inner = value.if_array()) {
      if (!append_elements(*inner, dtype, out)) return false;
    } else if (!append_json_element(value, dtype, out)) {
      return false;
    }
  }
  return true;
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
      for (const std::string_view text : bytes_elements(data)) json.string(text);
      return true;
    default:
      return false;
  }
}

}  // namespace

bool append_json_element(const json::value& value, DType dtype, std::vector<std::byte>& out) {
  switch (dtype) {
    case DType::boolean:
      if (!value.is_bool()) return false;
      out.push_back(static_cast<std::byte>(value.as_bool() ? 1 : 0));
      return true;
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
      if (!value.is_string()) return false;
      append_bytes_element(out, value.as_string());
      return true;
    default:
      return false;
  }
}

Result<std::vector<std::byte>> tensor_from_json(const json::value& data, DType dtype,
                                                const Label& label) {
  if (!data.is_array()) return invalid(fmt::format("{}: 'data' must be an array", label));
  if (!fits_json(dtype)) {
    return invalid(fmt::format("{}: {} values cannot be sent as JSON; send them as binary data",
                               label, datatype_name(dtype)));
  }
  std::vector<std::byte> out;
  out.reserve(data.as_array().size() * dtype_block_bytes(dtype));
  if (append_elements(data.as_array(), dtype, out)) return out;
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
    return invalid(fmt::format(
        "{} holds NaN or infinity, which JSON cannot carry; ask for it as binary data", label));
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
