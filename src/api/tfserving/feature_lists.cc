#include "api/tfserving/feature_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "api/errors.h"
#include "api/tfserving/feature_column.h"

namespace millrace::api {
namespace {

template <class T>
void append(std::vector<std::byte>& out, std::int64_t value) {
  const auto narrow = static_cast<T>(value);
  const auto bytes = std::as_bytes(std::span(&narrow, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::unexpected<Error> FeatureLists::too_large() const {
  return fail(ErrorKind::too_large,
              fmt::format("feature {}: the examples take more than {} MiB as tensors",
                          safe_name(feature_.name), kMaxExampleBytes >> 20),
              feature_.name);
}

Status FeatureLists::add(std::span<const std::int64_t> dims, std::span<const std::byte> values) {
  if (dims.size() > 1) {
    return invalid(
        fmt::format("feature {}: each example has a flat list of values", safe_name(feature_.name)),
        feature_.name);
  }
  const std::int64_t length = dims.empty() ? 1 : dims[0];
  const std::size_t bytes =
      values.size() + 2 * sizeof(std::int64_t) * static_cast<std::size_t>(length);
  if (bytes > bytes_left_) return too_large();
  bytes_left_ -= bytes;
  data_.insert(data_.end(), values.begin(), values.end());
  num_values_ += static_cast<std::size_t>(length);
  longest_ = std::max(longest_, length);
  lengths_.push_back(length);
  return {};
}

NestedTensor FeatureLists::values() const {
  return {.dims = {static_cast<std::int64_t>(num_values_)}, .data = data_};
}

NestedTensor FeatureLists::indices() const {
  NestedTensor tensor{.dims = {static_cast<std::int64_t>(num_values_), 2}};
  for (std::size_t row = 0; row < lengths_.size(); ++row) {
    for (std::int64_t i = 0; i < lengths_[row]; ++i) {
      append<std::int64_t>(tensor.data, static_cast<std::int64_t>(row));
      append<std::int64_t>(tensor.data, i);
    }
  }
  return tensor;
}

NestedTensor FeatureLists::shape() const {
  NestedTensor tensor{.dims = {2}};
  append<std::int64_t>(tensor.data, static_cast<std::int64_t>(lengths_.size()));
  append<std::int64_t>(tensor.data, longest_);
  return tensor;
}

NestedTensor FeatureLists::row_splits(DType dtype) const {
  NestedTensor tensor{.dims = {static_cast<std::int64_t>(lengths_.size()) + 1}};
  std::int64_t split = 0;
  const auto put = [&] {
    dtype == DType::i32 ? append<std::int32_t>(tensor.data, split)
                        : append<std::int64_t>(tensor.data, split);
  };
  put();
  for (const std::int64_t length : lengths_) {
    split += length;
    put();
  }
  return tensor;
}

Status FeatureLists::put(RequestInputs& inputs) const {
  // Graphs make them dense: as many values as the longest has, for each example.
  const auto a_row = static_cast<std::size_t>(longest_) * sizeof(float);
  if (a_row > 0 && lengths_.size() > kMaxExampleBytes / a_row) return too_large();
  const bool is_sparse = feature_.kind == FeatureSpec::Kind::sparse;
  for (const TensorSpec& spec : inputs.model().inputs) {
    if (!spec.name.starts_with(feature_.name)) continue;
    const std::string_view part = std::string_view(spec.name).substr(feature_.name.size());
    Status added;
    if (part == "/values") added = inputs.add(spec, values());
    if (is_sparse && part == "/indices") added = inputs.add(spec, indices());
    if (is_sparse && part == "/shape") added = inputs.add(spec, shape());
    if (!is_sparse && part == "/row_splits") added = inputs.add(spec, row_splits(spec.dtype));
    if (!added) return added;
  }
  return {};
}

}  // namespace millrace::api
