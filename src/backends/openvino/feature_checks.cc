#include "backends/openvino/feature_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

namespace millrace::backends {
namespace {

constexpr std::int64_t kMostElements = std::int64_t{1} << 25;  // as a dense tensor: 128 MiB of f32

// An input of integers.
class Numbers {
 public:
  Numbers(const TensorSpec& spec, const InputTensor& input)
      : data_(input.parts.empty() ? std::span<const std::byte>() : input.parts.front()),
        is_wide_(spec.dtype == DType::i64),
        name_(spec.name) {}

  std::size_t size() const { return data_.size() / width(); }
  std::int64_t operator[](std::size_t i) const {
    if (is_wide_) return read<std::int64_t>(i);
    return read<std::int32_t>(i);
  }
  std::unexpected<Error> wrong(const char* what) const {
    return invalid(fmt::format("input '{}' {}", name_, what), name_);
  }

 private:
  std::size_t width() const { return is_wide_ ? sizeof(std::int64_t) : sizeof(std::int32_t); }
  template <class T>
  T read(std::size_t i) const {
    T value;
    std::memcpy(&value, data_.data() + i * sizeof value, sizeof value);
    return value;
  }

  std::span<const std::byte> data_;
  bool is_wide_;
  const std::string& name_;
};

// The parts of one feature that the model has.
class Parts {
 public:
  Parts(const ModelDescription& description, std::span<const InputTensor> inputs,
        const std::string& feature)
      : description_(description), inputs_(inputs), feature_(feature) {}

  std::optional<Numbers> numbers(const char* part) const {
    const auto index = index_of(part);
    if (!index) return std::nullopt;
    return Numbers(description_.inputs[*index], inputs_[*index]);
  }
  // Values, or those that another part speaks of where the model has no values.
  std::size_t num_values(std::size_t otherwise) const {
    const auto index = index_of("/values");
    return index ? static_cast<std::size_t>(inputs_[*index].shape.num_elements()) : otherwise;
  }

 private:
  std::optional<std::size_t> index_of(const char* part) const {
    const auto found = std::ranges::find(description_.inputs, feature_ + part, &TensorSpec::name);
    if (found == description_.inputs.end()) return std::nullopt;
    return static_cast<std::size_t>(found - description_.inputs.begin());
  }

  const ModelDescription& description_;
  std::span<const InputTensor> inputs_;
  const std::string& feature_;
};

Status check_sparse(const Parts& parts) {
  std::int64_t limits[] = {std::numeric_limits<std::int64_t>::max(),
                           std::numeric_limits<std::int64_t>::max()};
  if (const auto shape = parts.numbers("/shape")) {
    std::int64_t elements = 1;
    for (std::size_t i = 0; i < 2; ++i) {
      limits[i] = (*shape)[i];
      if (limits[i] < 0) return shape->wrong("has a negative size");
      const bool fits =
          !__builtin_mul_overflow(elements, std::max<std::int64_t>(limits[i], 1), &elements);
      if (!fits || elements > kMostElements) return shape->wrong("is too large");
    }
  }
  const auto indices = parts.numbers("/indices");
  if (!indices) return {};
  if (indices->size() / 2 != parts.num_values(indices->size() / 2)) {
    return indices->wrong("must have one row for each value");
  }
  for (std::size_t i = 0; i < indices->size(); ++i) {
    const std::int64_t index = (*indices)[i];
    if (index < 0 || index >= limits[i % 2]) return indices->wrong("has an index out of the shape");
  }
  return {};
}

Status check_ragged(const Parts& parts) {
  const auto splits = parts.numbers("/row_splits");
  if (!splits) return {};
  if (splits->size() == 0 || (*splits)[0] != 0) return splits->wrong("must begin with 0");
  std::int64_t last = 0, longest = 0;
  for (std::size_t i = 0; i < splits->size(); ++i) {
    const std::int64_t next = (*splits)[i];
    if (next < last) return splits->wrong("must not descend");
    longest = std::max(longest, next - last);
    last = next;
  }
  const auto num_values = static_cast<std::size_t>(last);
  if (num_values != parts.num_values(num_values)) {
    return splits->wrong("must end with the number of values");
  }
  const auto rows = static_cast<std::int64_t>(splits->size());
  if (longest > kMostElements / rows) return splits->wrong("has rows of too different lengths");
  return {};
}

}  // namespace

bool has_feature_parts(const ModelDescription& description) {
  using Kind = FeatureSpec::Kind;
  return description.examples &&
         std::ranges::any_of(description.examples->features,
                             [](const FeatureSpec& f) { return f.kind != Kind::dense; });
}

Status check_feature_parts(const ModelDescription& description,
                           std::span<const InputTensor> inputs) {
  if (!description.examples) return {};
  for (const FeatureSpec& feature : description.examples->features) {
    const Parts parts(description, inputs, feature.name);
    Status right;
    if (feature.kind == FeatureSpec::Kind::sparse) right = check_sparse(parts);
    if (feature.kind == FeatureSpec::Kind::ragged) right = check_ragged(parts);
    if (!right) return right;
  }
  return {};
}

}  // namespace millrace::backends
