// What pipelines know of element types and shapes: names as KServe writes them, sizes without
// overflow, rows of a value, numbers of any type.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serving/pipeline/step.h"

namespace millrace::serving {

const char* kserve_name(DType dtype);                         // "FP32"
std::optional<DType> dtype_from_name(std::string_view name);  // "FP32" or "f32"
bool is_float(DType dtype);
bool is_number(DType dtype);  // all but bytes (and blocks, which no value has)

// Bytes of a value of that shape; empty where a size is negative or the product does not fit.
// Not for DType::bytes.
std::optional<std::int64_t> bytes_of(DType dtype, const Shape& shape);
// Elements of one row; 1 for rank 0.
std::int64_t row_elements(const Shape& shape);
std::int64_t num_rows(const Value& value);  // axis 0; 1 for rank 0
// Elements that the bytes of a BYTES value hold; -1 where they are not whole.
std::int64_t num_strings(const Value& value);
Shape with_rows(const Shape& shape, std::int64_t rows);

// A value of this type with no rows: axis 0 is 0, other open sizes too.
Value empty_value(const ValueType& type);
// Rows first … first + count - 1 as a view of the same bytes. The value has that many.
Value rows_of(const Value& value, std::int64_t first, std::int64_t count);
// One below the other; all of one type and of equal rows, at least one value. too_large.
Result<Value> join_rows(std::span<const Value> values, std::int64_t max_bytes);

// Those rows, in that order. invalid_argument where there is no such row; too_large.
Result<Value> pick_rows(const Value& value, const std::vector<std::int64_t>& rows,
                        std::int64_t max_bytes);

// Whether a value of type `given` can be one of type `wanted`, as far as that is known.
bool may_fit(const ValueType& given, const ValueType& wanted);
bool fits(const Value& value, const ValueType& type);

// Element i as a number; NaN for DType::bytes. Exact for all but 64-bit integers beyond 2^53.
double number_at(const Value& value, std::int64_t i);
// All elements as f32.
std::vector<float> floats_of(const Value& value);
std::int64_t integer_at(const Value& value, std::int64_t i);  // of integer types, exact (u64 wraps)
// Element i of `bytes` := number, rounded to nearest for integers, clamped to what fits.
void store_number(DType dtype, std::byte* bytes, std::int64_t i, double number);

}  // namespace millrace::serving
