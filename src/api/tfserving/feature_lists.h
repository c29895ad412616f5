// A sparse or ragged feature, as the examples of a request have it: any number of values in each,
// one after the other. What TensorFlow's parser of examples makes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "api/tfserving/request_inputs.h"
#include "base/result.h"
#include "servable/description.h"

namespace millrace::api {

class FeatureLists {
 public:
  // `bytes_left` is shared by the features of a request. Both outlive this.
  FeatureLists(const FeatureSpec& feature, std::size_t& bytes_left)
      : feature_(feature), bytes_left_(bytes_left) {}

  // An example's values: a flat list, or one value where there are no dims.
  Status add(std::span<const std::int64_t> dims, std::span<const std::byte> values);
  // The example has none.
  void add_missing() { lengths_.push_back(0); }
  // The parts that the model needs.
  Status put(RequestInputs& inputs) const;

 private:
  std::unexpected<Error> too_large() const;
  NestedTensor values() const;
  NestedTensor indices() const;
  NestedTensor shape() const;
  NestedTensor row_splits(DType dtype) const;

  const FeatureSpec& feature_;
  std::size_t& bytes_left_;
  std::size_t num_values_ = 0;
  std::int64_t longest_ = 0;
  std::vector<std::int64_t> lengths_;  // of the examples
  std::vector<std::byte> data_;
};

}  // namespace millrace::api
