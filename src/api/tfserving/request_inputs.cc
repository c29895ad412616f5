#include "api/tfserving/request_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "api/errors.h"

namespace millrace::api {
namespace {

std::string label_of(const TensorSpec& spec) {
  return "input " + safe_name(spec.name);
}

// Of a value, or of the first in a list.
bool is_text(const json::value& value) {
  const json::value* first = &value;
  while (first->is_array() && !first->as_array().empty()) first = &first->as_array()[0];
  return first->is_string() || is_binary_string(*first);
}

}  // namespace

std::vector<TensorSpec> tf_inputs(const ModelDescription& model) {
  if (model.examples) return {model.examples->input};
  return model.inputs;
}

Result<const TensorSpec*> RequestInputs::find(std::string_view name) const {
  if (model().examples && model().examples->input.name == name) return &model().examples->input;
  const auto found = std::ranges::find(model().inputs, name, &TensorSpec::name);
  if (found != model().inputs.end()) return &*found;
  return invalid(fmt::format("the model has no input {}", safe_name(name)), std::string(name));
}

Result<const TensorSpec*> RequestInputs::only(const char* key, const json::value& value) const {
  if (model().examples && is_text(value)) return &model().examples->input;
  if (model().inputs.size() == 1) return &model().inputs[0];
  return invalid(
      fmt::format("the model has {} inputs: '{}' must name them", model().inputs.size(), key), key);
}

Status RequestInputs::add_whole(const TensorSpec& spec, const json::value& value) {
  return add(spec, tensor_from_nested(value, spec.dtype, label_of(spec)));
}

Status RequestInputs::add_rows(const TensorSpec& spec, const JsonValues& rows) {
  return add(spec, tensor_from_rows(rows, spec.dtype, label_of(spec)));
}

Status RequestInputs::add(const TensorSpec& spec, Result<NestedTensor> tensor) {
  if (!tensor) {
    tensor.error().param = spec.name;
    return pass(tensor);
  }
  added_ = std::max(added_, add_trailing_ones(spec, tensor->dims));
  const auto& kept = storage_->emplace_back(std::move(tensor->data));
  request_.inputs.push_back(
      {.name = spec.name, .dtype = spec.dtype, .dims = std::move(tensor->dims), .data = kept});
  return {};
}

}  // namespace millrace::api
