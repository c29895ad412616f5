#include "api/tfserving/results.h"

#include <algorithm>

namespace millrace::api {
namespace {

bool is_score(const TensorSpec& spec) {
  return spec.dtype == DType::f32 || spec.dtype == DType::f64;
}

bool is_label(const TensorSpec& spec) {
  return spec.dtype == DType::bytes;
}

}  // namespace

Result<ScoredClasses> find_classes(const ModelDescription& model,
                                   const serving::TensorAnswer& answer) {
  const auto& outputs = model.outputs;
  const auto scores = std::ranges::find_if(outputs, is_score);
  const auto labels = std::ranges::find_if(outputs, is_label);
  const bool labelled = labels != outputs.end();
  const auto shape_of = [&](auto output) -> std::span<const std::int64_t> {
    return answer.outputs[static_cast<std::size_t>(output - outputs.begin())].shape.dims();
  };
  const std::size_t used = (scores != outputs.end()) + labelled;
  if (scores == outputs.end() || used != outputs.size() || shape_of(scores).size() != 2 ||
      (labelled && !std::ranges::equal(shape_of(labels), shape_of(scores)))) {
    return invalid(
        "the model does not answer a list of scores an example, so there is nothing to "
        "classify; use :predict");
  }
  const auto values_of = [&](auto output) {
    const auto index = static_cast<std::size_t>(output - outputs.begin());
    return ResultValues{.dtype = output->dtype, .data = answer.outputs[index].data};
  };
  ScoredClasses classes{.num_rows = shape_of(scores)[0],
                        .num_classes = shape_of(scores)[1],
                        .scores = values_of(scores)};
  if (labelled) classes.labels = values_of(labels);
  return classes;
}

Result<Regressions> find_regressions(const ModelDescription& model,
                                     const serving::TensorAnswer& answer) {
  const auto is_one = [](std::int64_t dim) { return dim == 1; };
  if (model.outputs.size() == 1 && is_score(model.outputs[0])) {
    const OutputTensor& output = answer.outputs[0];
    const auto dims = output.shape.dims();
    if (!dims.empty() && std::ranges::all_of(dims.subspan(1), is_one)) {
      return Regressions{.num_rows = dims[0],
                         .values = {.dtype = model.outputs[0].dtype, .data = output.data}};
    }
  }
  return invalid(
      "the model does not answer one number an example, so there is nothing to regress; use "
      ":predict");
}

}  // namespace millrace::api
