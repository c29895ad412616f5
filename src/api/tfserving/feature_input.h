// One feature of a request's examples on its way to the inputs that it is, whatever its kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <variant>

#include "api/tfserving/feature_column.h"
#include "api/tfserving/feature_lists.h"

namespace millrace::api {

class FeatureInput {
 public:
  FeatureInput(const TensorSpec& spec, const FeatureSpec* feature, std::size_t& bytes_left)
      : name_(spec.name),
        dtype_(spec.dtype),
        spec_(&spec),
        rows_(std::in_place_type<FeatureColumn>, spec, feature, bytes_left) {}
  FeatureInput(const FeatureSpec& feature, std::size_t& bytes_left)
      : name_(feature.name),
        dtype_(feature.dtype),
        rows_(std::in_place_type<FeatureLists>, feature, bytes_left) {}

  const std::string& name() const { return name_; }
  DType dtype() const { return dtype_; }  // of its values
  // One example after the other. Errors name the feature.
  Status add(std::span<const std::int64_t> dims, std::span<const std::byte> values);
  Status add_missing();
  Status put(RequestInputs& inputs);

 private:
  const std::string& name_;
  const DType dtype_;
  const TensorSpec* spec_ = nullptr;  // of dense ones
  std::variant<FeatureColumn, FeatureLists> rows_;
};

// Those that the model says its examples have; the model's inputs where it says nothing of
// examples. Both arguments outlive them.
std::deque<FeatureInput> feature_inputs(const ModelDescription& model, std::size_t& bytes_left);

}  // namespace millrace::api
