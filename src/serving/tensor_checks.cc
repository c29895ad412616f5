#include "serving/tensor_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

namespace millrace::serving {
namespace {

std::string shown(std::string_view name) {
  std::string text(name.substr(0, 64));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return fmt::format("'{}'", text);
}

// The product, or empty when it does not fit 63 bits.
Result<std::int64_t> num_elements(const NamedTensor& tensor) {
  std::int64_t product = 1;
  for (const std::int64_t dim : tensor.dims) {
    if (dim < 0) {
      return invalid(fmt::format("input {} has a negative dimension in shape {}",
                                 shown(tensor.name), to_string(tensor.dims)),
                     tensor.name);
    }
    if (__builtin_mul_overflow(product, dim, &product)) {
      return invalid(fmt::format("input {}: the shape has too many elements", shown(tensor.name)),
                     tensor.name);
    }
  }
  return product;
}

Status check_shape(const TensorSpec& spec, const NamedTensor& given) {
  const auto fits = [&] {
    if (spec.any_rank) return true;
    const auto want = spec.shape.dims();
    return std::ranges::equal(want, given.dims, [](std::int64_t expected, std::int64_t actual) {
      return expected < 0 || expected == actual;
    });
  };
  if (given.dims.size() > static_cast<std::size_t>(kMaxRank)) {
    return invalid(fmt::format("input {} has {} dimensions; at most {} are served",
                               shown(given.name), given.dims.size(), kMaxRank),
                   given.name);
  }
  if (fits()) return {};
  return invalid(fmt::format("input {} has shape {}, but the model takes {}", shown(given.name),
                             to_string(given.dims), to_string(spec.shape.dims())),
                 given.name);
}

// Elements in data of the form: 32-bit length, bytes; -1 where it is not of that form.
std::int64_t count_strings(std::span<const std::byte> data) {
  std::int64_t count = 0;
  while (!data.empty()) {
    std::uint32_t length = 0;
    if (data.size() < sizeof length) return -1;
    std::memcpy(&length, data.data(), sizeof length);
    if (data.size() - sizeof length < length) return -1;
    data = data.subspan(sizeof length + length);
    ++count;
  }
  return count;
}

Status check_data(const NamedTensor& given, std::int64_t elements) {
  if (given.dtype == DType::bytes) {
    const std::int64_t count = count_strings(given.data);
    if (count < 0) {
      return invalid(
          fmt::format("input {}: a string's length goes beyond the data", shown(given.name)),
          given.name);
    }
    if (count == elements) return {};
    return invalid(fmt::format("input {} has {} strings, but shape {} has {} elements",
                               shown(given.name), count, to_string(given.dims), elements),
                   given.name);
  }
  const auto width = static_cast<std::int64_t>(dtype_block_bytes(given.dtype));
  std::int64_t bytes = 0;
  const bool overflow = __builtin_mul_overflow(elements, width, &bytes);
  if (overflow || static_cast<std::uint64_t>(bytes) != given.data.size()) {
    return invalid(
        fmt::format("input {} has {} bytes of data, but shape {} of {} elements needs {}",
                    shown(given.name), given.data.size(), to_string(given.dims), elements,
                    overflow ? "more" : fmt::format("{}", bytes)),
        given.name);
  }
  const auto is_bool = [](std::byte b) { return b <= std::byte{1}; };
  if (given.dtype == DType::boolean && !std::ranges::all_of(given.data, is_bool)) {
    return invalid(fmt::format("input {}: a boolean must be 0 or 1", shown(given.name)),
                   given.name);
  }
  return {};
}

Result<InputTensor> check_input(const TensorSpec& spec, const NamedTensor& given) {
  if (given.dtype != spec.dtype) {
    return invalid(fmt::format("input {} has elements of type {}, but the model takes {}",
                               shown(given.name), dtype_name(given.dtype), dtype_name(spec.dtype)),
                   given.name);
  }
  const auto elements = num_elements(given);
  if (!elements) return std::unexpected(elements.error());
  if (Status fits = check_shape(spec, given); !fits) return pass(fits);
  if (Status fits = check_data(given, *elements); !fits) return pass(fits);
  return InputTensor{.shape = Shape(given.dims), .parts = {given.data}};
}

}  // namespace

std::string to_string(std::span<const std::int64_t> dims) {
  if (dims.size() > 16) return fmt::format("of {} dimensions", dims.size());
  return fmt::format("[{}]", fmt::join(dims, ","));
}

Result<std::vector<InputTensor>> check_inputs(const ModelDescription& model,
                                              const std::vector<NamedTensor>& given) {
  std::vector<InputTensor> inputs(model.inputs.size());
  const auto is_given = [](const InputTensor& input) { return !input.parts.empty(); };
  for (const NamedTensor& tensor : given) {
    const auto spec = std::ranges::find(model.inputs, tensor.name, &TensorSpec::name);
    if (spec == model.inputs.end()) {
      return invalid(fmt::format("the model has no input {}", shown(tensor.name)), tensor.name);
    }
    InputTensor& input = inputs[static_cast<std::size_t>(spec - model.inputs.begin())];
    if (is_given(input)) {
      return invalid(fmt::format("input {} is given twice", shown(tensor.name)), tensor.name);
    }
    auto checked = check_input(*spec, tensor);
    if (!checked) return pass(checked);
    input = *std::move(checked);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!is_given(inputs[i])) {
      const std::string& name = model.inputs[i].name;
      return invalid(fmt::format("input {} is missing", shown(name)), name);
    }
  }
  return inputs;
}

Result<std::int64_t> num_rows(const ModelDescription& model,
                              const std::vector<InputTensor>& inputs) {
  const std::int64_t rows = inputs.front().shape[0];
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    if (inputs[i].shape[0] == rows) continue;
    return invalid(
        fmt::format("input '{}' has {} rows, but input '{}' has {}", model.inputs[i].name,
                    inputs[i].shape[0], model.inputs[0].name, rows),
        model.inputs[i].name);
  }
  return rows;
}

}  // namespace millrace::serving
