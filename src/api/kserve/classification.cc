#include "api/kserve/classification.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "api/kserve/tensor_json.h"
#include "tensor/half.h"

namespace millrace::api {
namespace {

template <class T>
T read(std::span<const std::byte> data, std::size_t i) {
  T value;
  std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
  return value;
}

// A value to order by and the text that shows it.
struct Value {
  double number = 0;
  std::string text;
};

template <class T>
Value integer(std::span<const std::byte> data, std::size_t i) {
  const T value = read<T>(data, i);
  return {static_cast<double>(value), fmt::format("{}", value)};
}

Value real(double value) {
  return {value, fmt::format("{:.6f}", value)};
}

Value value_at(std::span<const std::byte> data, DType dtype, std::size_t i) {
  switch (dtype) {
    case DType::f32:
      return real(static_cast<double>(read<float>(data, i)));
    case DType::f64:
      return real(read<double>(data, i));
    case DType::f16:
      return real(static_cast<double>(f32_from_f16(read<std::uint16_t>(data, i))));
    case DType::bf16:
      return real(static_cast<double>(
          std::bit_cast<float>(std::uint32_t{read<std::uint16_t>(data, i)} << 16)));
    case DType::i8:
      return integer<std::int8_t>(data, i);
    case DType::i16:
      return integer<std::int16_t>(data, i);
    case DType::i32:
      return integer<std::int32_t>(data, i);
    case DType::i64:
      return integer<std::int64_t>(data, i);
    case DType::u16:
      return integer<std::uint16_t>(data, i);
    case DType::u32:
      return integer<std::uint32_t>(data, i);
    case DType::u64:
      return integer<std::uint64_t>(data, i);
    default:
      return integer<std::uint8_t>(data, i);  // u8, boolean
  }
}

void append_row(std::vector<std::byte>& out, std::span<const std::byte> row, DType dtype,
                std::size_t k, const std::vector<std::string>& labels) {
  const std::size_t n = row.size() / dtype_block_bytes(dtype);
  std::vector<double> numbers(n);
  for (std::size_t i = 0; i < n; ++i) {
    numbers[i] = value_at(row, dtype, i).number;
    if (std::isnan(numbers[i])) numbers[i] = -std::numeric_limits<double>::infinity();
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return numbers[a] != numbers[b] ? numbers[a] > numbers[b] : a < b;
                    });
  for (std::size_t i = 0; i < k; ++i) {
    std::string shown = fmt::format("{}:{}", value_at(row, dtype, order[i]).text, order[i]);
    if (order[i] < labels.size()) shown += ":" + labels[order[i]];
    append_bytes_element(out, shown);
  }
}

}  // namespace

Result<Classes> classify(const OutputTensor& output, DType dtype, bool batched, std::int64_t k,
                         const std::vector<std::string>& labels) {
  if (dtype == DType::bytes) return invalid("an output of strings cannot be classified");
  const std::int64_t rows = batched ? output.shape[0] : 1;
  const std::int64_t row_elements = rows > 0 ? output.shape.num_elements() / rows : 0;
  k = std::min(k, row_elements);
  Classes classes{.shape = batched ? Shape{rows, k} : Shape{k}, .data = {}};
  const std::size_t row_bytes = static_cast<std::size_t>(row_elements) * dtype_block_bytes(dtype);
  for (std::int64_t row = 0; row < rows && k > 0; ++row) {
    append_row(classes.data,
               output.data.subspan(static_cast<std::size_t>(row) * row_bytes, row_bytes), dtype,
               static_cast<std::size_t>(k), labels);
  }
  return classes;
}

}  // namespace millrace::api
