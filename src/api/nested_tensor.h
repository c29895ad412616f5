// Tensors as nested JSON arrays, whose nesting is the shape: TensorFlow Serving's and TorchServe's
// form. Binary strings are {"b64": …}; NaN and infinities as in lenient_json.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "servable/tensor_model.h"

namespace millrace::api {

struct NestedTensor {
  std::vector<std::int64_t> dims{};
  std::vector<std::byte> data{};  // as in servable/tensor_model.h
};

// {"b64": "…"} is an element, not an object of names.
bool is_binary_string(const json::value& value);

// A scalar or arrays, all of one length at each depth. `label` names the tensor in errors:
// "input 'x'". Half precision is refused.
Result<NestedTensor> tensor_from_nested(const json::value& value, DType dtype,
                                        const std::string& label);
// The same of rows, which become axis 0.
Result<NestedTensor> tensor_from_rows(std::span<const json::value* const> rows, DType dtype,
                                      const std::string& label);

// Rows may leave out trailing dimensions of 1: [3] for a model that takes [-1,1]. Adds them and
// says how many.
int add_trailing_ones(const TensorSpec& spec, std::vector<std::int64_t>& dims);

// invalid_argument for half precision, which this form does not carry.
Status check_nested(DType dtype, const std::string& label);

// Writes a tensor, or parts of it, as nested arrays. The data outlives it.
class NestedWriter {
 public:
  // `as_base64`: of strings.
  NestedWriter(DType dtype, std::span<const std::byte> data, bool as_base64);
  // The elements from `first` on, nested as `dims` say; a scalar where there are none. Appended.
  void append(std::string& out, std::span<const std::int64_t> dims, std::int64_t first = 0) const;

 private:
  void append_element(std::string& out, std::size_t i) const;

  DType dtype_;
  std::span<const std::byte> data_;
  std::vector<std::string_view> strings_;
  bool as_base64_;
};

}  // namespace millrace::api
