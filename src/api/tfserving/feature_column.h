// One input of a model, as the examples of a request have it: row by row, some without. What
// TensorFlow's parser of examples makes of a dense feature.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/nested_tensor.h"
#include "base/result.h"
#include "servable/description.h"

namespace millrace::api {

// The tensors of one request's examples together: a few bytes on the wire can stand for many.
inline constexpr std::size_t kMaxExampleBytes = std::size_t{128} << 20;

class FeatureColumn {
 public:
  // `feature` may be null: then every example must have it. `bytes_left` is shared by the columns
  // of a request. All outlive this.
  FeatureColumn(const TensorSpec& spec, const FeatureSpec* feature, std::size_t& bytes_left)
      : spec_(spec), feature_(feature), bytes_left_(bytes_left) {}

  // An example's values, nested as `dims` say: a flat list where there is one, a value where there
  // is none. Errors name the input.
  Status add(std::span<const std::int64_t> dims, std::span<const std::byte> values);
  // The example has none: the default stands for it.
  Status add_missing();
  // Axis 0 is the examples; the others are the model's where the number of values allows it.
  Result<NestedTensor> take();

 private:
  using Dims = std::vector<std::int64_t>;

  std::string label() const;
  bool any_length() const { return feature_ && feature_->any_length; }
  Dims fitted(std::span<const std::int64_t> dims) const;
  Status same_as_others(Dims dims);
  Status append(std::span<const std::byte> values);
  std::unexpected<Error> too_large() const;
  Status fill_up();

  const TensorSpec& spec_;
  const FeatureSpec* feature_;
  std::size_t& bytes_left_;
  std::int64_t num_rows_ = 0;
  Dims dims_;                          // of a row
  std::vector<std::byte> data_;        // of all rows
  std::vector<std::int64_t> lengths_;  // of rows, where it may be any
  std::vector<std::size_t> row_ends_;  // in data_, the same
};

}  // namespace millrace::api
