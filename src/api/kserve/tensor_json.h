// Tensors as JSON numbers, booleans and strings. In memory a tensor is as in
// servable/tensor_model.h.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_reader.h"
#include "api/kserve/label.h"
#include "base/json.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace millrace::api {

// `data` is well-formed JSON: an array, flat or nested as the shape is; nesting is not compared
// with the shape. `label` names the tensor in errors: "input 'x'". Numbers out of the type's range
// are refused.
Result<std::vector<std::byte>> tensor_from_json(std::string_view data, DType dtype,
                                                const Label& label);

// One number, boolean or string, appended; false where it is no such element.
bool append_json_element(const JsonScalar& value, DType dtype, std::vector<std::byte>& out);
bool append_json_element(const json::value& value, DType dtype, std::vector<std::byte>& out);

// A flat array. invalid_argument for what JSON cannot carry: half precision, NaN, infinities,
// strings that are not UTF-8.
Status append_tensor_json(std::string& out, DType dtype, std::span<const std::byte> data,
                          const Label& label);

// One element of DType::bytes, appended.
void append_bytes_element(std::vector<std::byte>& out, std::string_view text);
// The strings of a DType::bytes tensor; its form was checked before.
std::vector<std::string_view> bytes_elements(std::span<const std::byte> data);

}  // namespace millrace::api
