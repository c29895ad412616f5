#include "serving/pipeline/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "serving/tensor_checks.h"
#include "tensor/buffer.h"
#include "tensor/half.h"

namespace millrace::serving {
namespace {

struct TypeName {
  DType dtype;
  const char* kserve;
};
constexpr TypeName kNames[] = {
    {DType::boolean, "BOOL"}, {DType::u8, "UINT8"},   {DType::u16, "UINT16"},
    {DType::u32, "UINT32"},   {DType::u64, "UINT64"}, {DType::i8, "INT8"},
    {DType::i16, "INT16"},    {DType::i32, "INT32"},  {DType::i64, "INT64"},
    {DType::f16, "FP16"},     {DType::bf16, "BF16"},  {DType::f32, "FP32"},
    {DType::f64, "FP64"},     {DType::bytes, "BYTES"}};

template <class T>
void store(std::byte* bytes, std::int64_t i, T number) {
  std::memcpy(bytes + static_cast<std::size_t>(i) * sizeof(T), &number, sizeof(T));
}

template <class T>
void store_integer(std::byte* bytes, std::int64_t i, double number) {
  constexpr auto kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
  const double rounded = std::nearbyint(number);
  T out = 0;  // NaN
  if (rounded <= static_cast<double>(kMin)) {
    out = kMin;
  } else if (rounded >= static_cast<double>(kMax)) {
    out = kMax;
  } else if (!std::isnan(rounded)) {
    out = static_cast<T>(rounded);
  }
  store(bytes, i, out);
}

float from_bf16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

std::uint16_t to_bf16(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  if (std::isnan(number)) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

std::size_t width_of(DType dtype) {
  return dtype_block_bytes(dtype);
}

// Where rows first … first + count - 1 lie in a BYTES value.
std::pair<std::size_t, std::size_t> string_range(const Value& value, std::int64_t first,
                                                 std::int64_t count) {
  const std::int64_t row = row_elements(value.shape);
  std::size_t at = 0, begin = 0;
  for (std::int64_t i = 0; i < (first + count) * row; ++i) {
    if (i == first * row) begin = at;
    std::uint32_t length = 0;
    std::memcpy(&length, value.data.data() + at, sizeof length);
    at += sizeof length + length;
  }
  return count * row == 0 ? std::pair<std::size_t, std::size_t>{0, 0} : std::pair{begin, at};
}

}  // namespace

const char* kserve_name(DType dtype) {
  const auto found = std::ranges::find(kNames, dtype, &TypeName::dtype);
  return found == std::end(kNames) ? "" : found->kserve;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const TypeName& known : kNames) {
    if (name == known.kserve || name == dtype_name(known.dtype)) return known.dtype;
  }
  return std::nullopt;
}

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f64;
}

bool is_number(DType dtype) {
  return dtype != DType::bytes && *kserve_name(dtype) != '\0';
}

std::optional<std::int64_t> bytes_of(DType dtype, const Shape& shape) {
  auto product = static_cast<std::int64_t>(width_of(dtype));
  for (const std::int64_t dim : shape.dims()) {
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product)) return std::nullopt;
  }
  return product;
}

std::int64_t row_elements(const Shape& shape) {
  std::int64_t product = 1;
  for (int i = 1; i < shape.rank(); ++i) {
    // Only of a value without rows: [0, huge, huge].
    if (__builtin_mul_overflow(product, shape[i], &product)) return 0;
  }
  return product;
}

std::int64_t num_rows(const Value& value) {
  return value.shape.rank() == 0 ? 1 : value.shape[0];
}

std::int64_t num_strings(const Value& value) {
  std::int64_t count = 0;
  std::span<const std::byte> rest = value.data;
  while (!rest.empty()) {
    std::uint32_t length = 0;
    if (rest.size() < sizeof length) return -1;
    std::memcpy(&length, rest.data(), sizeof length);
    if (rest.size() - sizeof length < length) return -1;
    rest = rest.subspan(sizeof length + length);
    ++count;
  }
  return count;
}

Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::vector<std::int64_t> dims(shape.dims().begin(), shape.dims().end());
  if (!dims.empty()) dims[0] = rows;
  return Shape(dims);
}

Value empty_value(const ValueType& type) {
  std::vector<std::int64_t> dims(type.shape.dims().begin(), type.shape.dims().end());
  if (dims.empty()) dims.push_back(0);
  dims[0] = 0;
  for (std::int64_t& dim : dims) dim = std::max<std::int64_t>(0, dim);
  return {.dtype = type.dtype, .shape = Shape(dims)};
}

Value rows_of(const Value& value, std::int64_t first, std::int64_t count) {
  Value rows{.dtype = value.dtype, .shape = with_rows(value.shape, count), .owner = value.owner};
  if (value.dtype == DType::bytes) {
    const auto [begin, end] = string_range(value, first, count);
    rows.data = value.data.subspan(begin, end - begin);
  } else {
    const auto row = static_cast<std::size_t>(row_elements(value.shape)) * width_of(value.dtype);
    rows.data = value.data.subspan(static_cast<std::size_t>(first) * row,
                                   static_cast<std::size_t>(count) * row);
  }
  return rows;
}

Result<Value> join_rows(std::span<const Value> values, std::int64_t max_bytes) {
  if (values.size() == 1) return values.front();
  std::int64_t rows = 0;
  std::size_t bytes = 0;
  for (const Value& value : values) {
    if (__builtin_add_overflow(rows, num_rows(value), &rows))
      return fail(ErrorKind::too_large, "there are too many rows");
    bytes += value.data.size();
  }
  if (static_cast<std::uint64_t>(std::max<std::int64_t>(0, max_bytes)) < bytes) {
    return fail(ErrorKind::too_large, "the rows together take more than a request may use");
  }
  std::string joined;
  joined.reserve(bytes);
  for (const Value& value : values) {
    joined.append(reinterpret_cast<const char*>(value.data.data()), value.data.size());
  }
  return value_of(values.front().dtype, with_rows(values.front().shape, rows), std::move(joined));
}

Result<Value> pick_rows(const Value& value, const std::vector<std::int64_t>& rows,
                        std::int64_t max_bytes) {
  const std::int64_t count = num_rows(value);
  for (const std::int64_t row : rows) {
    if (row >= 0 && row < count && value.shape.rank() > 0) continue;
    return invalid(fmt::format("there is no row {} in a value of {} rows", row, count));
  }
  std::vector<std::span<const std::byte>> strings;
  if (value.dtype == DType::bytes) strings = strings_of(value);
  const auto each = static_cast<std::size_t>(row_elements(value.shape));
  const std::size_t width = each * width_of(value.dtype);
  std::string bytes;
  for (const std::int64_t row : rows) {
    if (value.dtype == DType::bytes) {
      for (std::size_t i = 0; i < each; ++i) {
        const auto text = strings.at(static_cast<std::size_t>(row) * each + i);
        append_string(bytes, {reinterpret_cast<const char*>(text.data()), text.size()});
      }
    } else {
      bytes.append(
          reinterpret_cast<const char*>(value.data.data()) + static_cast<std::size_t>(row) * width,
          width);
    }
    if (static_cast<std::int64_t>(bytes.size()) > max_bytes) {
      return fail(ErrorKind::too_large, "the rows together take more than a request may use");
    }
  }
  return value_of(value.dtype, with_rows(value.shape, static_cast<std::int64_t>(rows.size())),
                  std::move(bytes));
}

bool may_fit(const ValueType& given, const ValueType& wanted) {
  if (given.dtype != wanted.dtype) return false;
  if (given.any_rank || wanted.any_rank) return true;
  return std::ranges::equal(
      given.shape.dims(), wanted.shape.dims(),
      [](std::int64_t a, std::int64_t b) { return a < 0 || b < 0 || a == b; });
}

bool fits(const Value& value, const ValueType& type) {
  return may_fit({.dtype = value.dtype, .shape = value.shape, .any_rank = false}, type);
}

double number_at(const Value& value, std::int64_t i) {
  switch (value.dtype) {
    case DType::f32:
      return element<float>(value, i);
    case DType::f64:
      return element<double>(value, i);
    case DType::f16:
      return f32_from_f16(element<std::uint16_t>(value, i));
    case DType::bf16:
      return from_bf16(element<std::uint16_t>(value, i));
    case DType::u64:
      return static_cast<double>(element<std::uint64_t>(value, i));
    case DType::bytes:
      return std::numeric_limits<double>::quiet_NaN();
    default:
      return static_cast<double>(integer_at(value, i));
  }
}

std::int64_t integer_at(const Value& value, std::int64_t i) {
  switch (value.dtype) {
    case DType::boolean:
    case DType::u8:
      return element<std::uint8_t>(value, i);
    case DType::u16:
      return element<std::uint16_t>(value, i);
    case DType::u32:
      return element<std::uint32_t>(value, i);
    case DType::i8:
      return element<std::int8_t>(value, i);
    case DType::i16:
      return element<std::int16_t>(value, i);
    case DType::i32:
      return element<std::int32_t>(value, i);
    default:
      return element<std::int64_t>(value, i);
  }
}

std::vector<float> floats_of(const Value& value) {
  std::vector<float> out(static_cast<std::size_t>(value.shape.num_elements()));
  if (value.dtype == DType::f32) {
    if (!out.empty()) std::memcpy(out.data(), value.data.data(), value.data.size());
    return out;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<float>(number_at(value, static_cast<std::int64_t>(i)));
  }
  return out;
}

void store_number(DType dtype, std::byte* bytes, std::int64_t i, double number) {
  switch (dtype) {
    case DType::f32:
      return store(bytes, i, static_cast<float>(number));
    case DType::f64:
      return store(bytes, i, number);
    case DType::f16:
      return store(bytes, i, f16_from_f64(number));
    case DType::bf16:
      return store(bytes, i, to_bf16(static_cast<float>(number)));
    case DType::boolean:
      return store(bytes, i, static_cast<std::uint8_t>(number != 0));
    case DType::u8:
      return store_integer<std::uint8_t>(bytes, i, number);
    case DType::u16:
      return store_integer<std::uint16_t>(bytes, i, number);
    case DType::u32:
      return store_integer<std::uint32_t>(bytes, i, number);
    case DType::u64:
      return store_integer<std::uint64_t>(bytes, i, number);
    case DType::i8:
      return store_integer<std::int8_t>(bytes, i, number);
    case DType::i16:
      return store_integer<std::int16_t>(bytes, i, number);
    case DType::i32:
      return store_integer<std::int32_t>(bytes, i, number);
    default:
      return store_integer<std::int64_t>(bytes, i, number);
  }
}

Result<NewValue> new_value(DType dtype, const Shape& shape, std::int64_t max_bytes) {
  const auto bytes = bytes_of(dtype, shape);
  if (!bytes || *bytes > max_bytes) {
    return fail(ErrorKind::too_large,
                fmt::format("a value of shape {} takes more than the {} bytes that a request may "
                            "still use",
                            to_string(shape.dims()), std::max<std::int64_t>(0, max_bytes)));
  }
  auto buffer = std::make_shared<Buffer>(static_cast<std::size_t>(*bytes));
  NewValue made{.value = {.dtype = dtype, .shape = shape}, .bytes = buffer->data()};
  made.value.data = {buffer->data(), static_cast<std::size_t>(*bytes)};
  made.value.owner = std::move(buffer);
  return made;
}

Value value_of(DType dtype, const Shape& shape, std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  return {.dtype = dtype, .shape = shape, .data = std::as_bytes(std::span(*owner)), .owner = owner};
}

std::vector<std::span<const std::byte>> strings_of(const Value& value) {
  std::vector<std::span<const std::byte>> out;
  std::span<const std::byte> rest = value.data;
  while (rest.size() >= sizeof(std::uint32_t)) {
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data(), sizeof length);
    rest = rest.subspan(sizeof length);
    const auto taken = std::min<std::size_t>(length, rest.size());
    out.push_back(rest.first(taken));
    rest = rest.subspan(taken);
  }
  return out;
}

void append_string(std::string& bytes, std::string_view element) {
  const auto length = static_cast<std::uint32_t>(element.size());
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  bytes.append(element);
}

std::string to_string(const ValueType& type) {
  return fmt::format("{} {}", kserve_name(type.dtype),
                     type.any_rank ? std::string("of any shape") : to_string(type.shape.dims()));
}

}  // namespace millrace::serving
