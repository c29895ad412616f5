#include "api/tfserving/feature_input.h"

#include <algorithm>

namespace millrace::api {

Status FeatureInput::add(std::span<const std::int64_t> dims, std::span<const std::byte> values) {
  return std::visit([&](auto& rows) { return rows.add(dims, values); }, rows_);
}

Status FeatureInput::add_missing() {
  if (auto* column = std::get_if<FeatureColumn>(&rows_)) return column->add_missing();
  std::get<FeatureLists>(rows_).add_missing();
  return {};
}

Status FeatureInput::put(RequestInputs& inputs) {
  if (auto* column = std::get_if<FeatureColumn>(&rows_)) return inputs.add(*spec_, column->take());
  return std::get<FeatureLists>(rows_).put(inputs);
}

std::deque<FeatureInput> feature_inputs(const ModelDescription& model, std::size_t& bytes_left) {
  std::deque<FeatureInput> all;
  if (!model.examples) {
    for (const TensorSpec& spec : model.inputs) all.emplace_back(spec, nullptr, bytes_left);
    return all;
  }
  for (const FeatureSpec& feature : model.examples->features) {
    if (feature.kind != FeatureSpec::Kind::dense) {
      all.emplace_back(feature, bytes_left);
      continue;
    }
    const auto spec = std::ranges::find(model.inputs, feature.name, &TensorSpec::name);
    if (spec != model.inputs.end()) all.emplace_back(*spec, &feature, bytes_left);
  }
  return all;
}

}  // namespace millrace::api
