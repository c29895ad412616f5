#include "serving/image/image_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

bool holds_scores(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

bool holds_pixels(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::u8;
}

bool may_be_channels(std::int64_t dim) {
  return dim == 1 || dim == 3;
}

// Elements behind axis 0; -1 where a size is open.
std::int64_t row_elements(const TensorSpec& spec) {
  if (spec.any_rank || spec.shape.rank() < 1) return -1;
  std::int64_t count = 1;
  for (const std::int64_t dim : spec.shape.dims().subspan(1)) {
    if (dim < 0) return -1;
    count *= dim;
  }
  return count;
}

// Size of the last axis; -1 where it is open.
std::int64_t last_dim(const TensorSpec& spec) {
  return spec.any_rank || spec.shape.rank() < 1 ? -1 : spec.shape[spec.shape.rank() - 1];
}

std::string names_of(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> names;
  names.reserve(specs.size());
  for (const TensorSpec& spec : specs) names.push_back("'" + spec.name + "'");
  return fmt::format("{}", fmt::join(names, ", "));
}

std::optional<image::Layout> layout_of(std::span<const std::int64_t> dims) {
  if (may_be_channels(dims[1]) == may_be_channels(dims[3])) return std::nullopt;
  return may_be_channels(dims[1]) ? image::Layout::nchw : image::Layout::nhwc;
}

std::unexpected<Error> broken(const std::string& what) {
  return fail(ErrorKind::internal, "The model's answer is not what its model.toml says: " + what);
}

}  // namespace

Result<ImageModel> ImageModel::make(ImageSettings settings, const ModelDescription& graph) {
  ImageModel made(std::move(settings));
  if (graph.inputs.empty()) {
    return made.wrong("task", "the model is no graph; only graphs can be asked about pictures");
  }
  if (Status ok = made.take_input(graph); !ok) return pass(ok);
  if (Status ok = made.take_numbers(); !ok) return pass(ok);
  if (Status ok = made.take_outputs(graph); !ok) return pass(ok);
  return made;
}

std::unexpected<Error> ImageModel::wrong(const char* key, const std::string& what) const {
  return invalid(fmt::format("{}: [image] {}: {}", settings_.file, key, what), key);
}

Status ImageModel::take_input(const ModelDescription& graph) {
  const TensorSpec& input = graph.inputs.front();
  if (graph.inputs.size() > 1) {
    return wrong("input", "the graph has several inputs (" + names_of(graph.inputs) +
                              "); only one can be filled from a picture");
  }
  if (!settings_.input.empty() && settings_.input != input.name) {
    return wrong("input", "the graph has no such input, but " + names_of(graph.inputs));
  }
  if (!holds_pixels(input.dtype)) {
    return wrong("input", fmt::format("'{}' is of type {}; pictures can be f32, f16, bf16 or u8",
                                      input.name, dtype_name(input.dtype)));
  }
  input_name_ = input.name;
  options_.dtype = input.dtype;
  return take_shape(input);
}

Status ImageModel::take_shape(const TensorSpec& input) {
  const Shape shape = input.any_rank ? Shape{-1, -1, -1, -1} : input.shape;
  if (shape.rank() != 4 || shape[0] > 1) {
    return wrong("input", fmt::format("'{}' has the shape {}; one picture with channels is wanted",
                                      input.name, to_string(shape.dims())));
  }
  const auto layout = settings_.layout ? settings_.layout : layout_of(shape.dims());
  if (!layout) {
    return wrong("layout",
                 fmt::format("the shape {} does not say which; write \"nchw\" or \"nhwc\"",
                             to_string(shape.dims())));
  }
  const bool nchw = *layout == image::Layout::nchw;
  const std::int64_t channels = shape[nchw ? 1 : 3];
  const std::int64_t height = shape[nchw ? 2 : 1];
  const std::int64_t width = shape[nchw ? 3 : 2];
  if (channels >= 0 && !may_be_channels(channels)) {
    return wrong("layout", fmt::format("the shape {} would have {} channels",
                                       to_string(shape.dims()), channels));
  }
  const bool grey = channels == 1 || (channels < 0 && settings_.channels == image::Channels::grey);
  options_.channels =
      settings_.channels.value_or(grey ? image::Channels::grey : image::Channels::rgb);
  if ((options_.channels == image::Channels::grey) != grey) {
    return wrong("channels", fmt::format("the graph has {}", channels));
  }
  if (settings_.width == 0 && (width < 0 || height < 0)) {
    return wrong("size", "the graph leaves it open; write size = [width, height]");
  }
  options_.width = settings_.width > 0 ? settings_.width : static_cast<int>(width);
  options_.height = settings_.width > 0 ? settings_.height : static_cast<int>(height);
  if ((width >= 0 && width != options_.width) || (height >= 0 && height != options_.height)) {
    return wrong("size", fmt::format("the graph wants [{}, {}]", width, height));
  }
  if (std::max(width, height) > image::kMaxSide || options_.width < 1 || options_.height < 1) {
    return wrong("size", fmt::format("a side may have 1 to {}", image::kMaxSide));
  }
  options_.layout = *layout;
  return {};
}

Status ImageModel::take_numbers() {
  options_.fit = settings_.fit;
  options_.crop_fraction = settings_.crop_fraction;
  options_.filter = settings_.filter;
  options_.pad = settings_.pad;
  options_.pad_centred = settings_.pad_centred;
  if (options_.dtype == DType::u8) {
    if (settings_.scale) return wrong("scale", "the graph takes bytes as they are");
    if (!settings_.mean.empty()) return wrong("mean", "the graph takes bytes as they are");
    if (!settings_.deviation.empty()) return wrong("std", "the graph takes bytes as they are");
  }
  options_.scale = settings_.scale.value_or(1.0 / 255);
  for (std::size_t c = 0; c < 3; ++c) {
    const auto pick = [c](const std::vector<double>& numbers, double fallback) {
      return numbers.empty() ? fallback : numbers.size() == 1 ? numbers[0] : numbers[c];
    };
    options_.mean[c] = pick(settings_.mean, 0);
    options_.deviation[c] = pick(settings_.deviation, 1);
  }
  return {};
}

Result<ImageModel::Output> ImageModel::find_output(const ModelDescription& graph,
                                                   const std::string& name) const {
  const auto& outputs = graph.outputs;
  const auto found = name.empty() && outputs.size() == 1
                         ? outputs.begin()
                         : std::ranges::find(outputs, name, &TensorSpec::name);
  if (found == outputs.end()) {
    return wrong("output", name.empty()
                               ? "the graph has several (" + names_of(outputs) + "); name one"
                               : "the graph has no '" + name + "', but " + names_of(outputs));
  }
  if (!holds_scores(found->dtype)) {
    return wrong("output", fmt::format("'{}' is of type {}; numbers with a fraction are wanted",
                                       found->name, dtype_name(found->dtype)));
  }
  return Output{.index = static_cast<std::size_t>(found - outputs.begin()), .dtype = found->dtype};
}

Status ImageModel::check_labels(std::int64_t num_classes, const std::string& output) const {
  const auto count = static_cast<std::int64_t>(settings_.labels.size());
  if (count == 0 || num_classes < 0 || count == num_classes) return {};
  return wrong("labels", fmt::format("there are {}, but the output '{}' has {} classes", count,
                                     output, num_classes));
}

Status ImageModel::take_outputs(const ModelDescription& graph) {
  const bool two =
      settings_.task == ImageTask::detect && settings_.format == DetectFormat::boxes_scores;
  auto first = find_output(graph, two ? "boxes" : settings_.output);
  if (!first) return pass(first);
  first_ = *first;
  const TensorSpec* scores = &graph.outputs[first_.index];
  std::int64_t num_classes = -1;
  if (settings_.task == ImageTask::classify) {
    num_classes = row_elements(*scores);
  } else if (!two) {
    const std::int64_t row = last_dim(*scores);
    if (row >= 0 && row < 6) {
      return wrong("format", fmt::format("the rows of '{}' have {} numbers, a YOLOX's have 5 and "
                                         "one a class",
                                         scores->name, row));
    }
    num_classes = row < 0 ? row : row - 5;
  } else {
    auto second = find_output(graph, "scores");
    if (!second) return pass(second);
    second_ = *second;
    if (const std::int64_t row = last_dim(*scores); row >= 0 && row != 4) {
      return wrong("format", fmt::format("the rows of 'boxes' have {} numbers instead of 4", row));
    }
    scores = &graph.outputs[second_.index];
    num_classes = last_dim(*scores);
  }
  return check_labels(num_classes, scores->name);
}

std::string ImageModel::label_of(int index) const {
  const auto i = static_cast<std::size_t>(index);
  return i < settings_.labels.size() ? settings_.labels[i] : std::to_string(index);
}

Result<std::vector<ClassScore>> ImageModel::classes_of(std::span<const OutputTensor> outputs,
                                                       std::size_t top_k) const {
  auto scores = to_floats(outputs[first_.index].data, first_.dtype);
  if (!scores) return pass(scores);
  if (settings_.softmax) softmax(*scores);
  return serving::top_k(*scores, top_k);
}

Result<std::vector<Detection>> ImageModel::found_in(std::span<const OutputTensor> outputs,
                                                    float score_threshold) const {
  const OutputTensor& first = outputs[first_.index];
  const auto numbers = to_floats(first.data, first_.dtype);
  if (!numbers) return std::unexpected(numbers.error());
  const int rank = first.shape.rank();
  const auto row = rank > 0 ? static_cast<int>(first.shape[rank - 1]) : 0;
  if (settings_.format == DetectFormat::yolox) {
    auto found = decode_yolox(*numbers, row, options_.width, options_.height, score_threshold);
    if (!found) return broken(found.error().message);
    return found;
  }
  const auto scores = to_floats(outputs[second_.index].data, second_.dtype);
  if (!scores) return std::unexpected(scores.error());
  const std::size_t rows = numbers->size() / 4;
  if (row != 4 || (rows == 0 ? !scores->empty() : scores->size() % rows != 0)) {
    return broken("'boxes' and 'scores' do not go together.");
  }
  return decode_boxes(*numbers, *scores, score_threshold);
}

Result<std::vector<Detection>> ImageModel::detections_of(std::span<const OutputTensor> outputs,
                                                         const image::Placement& placement,
                                                         int width, int height,
                                                         float score_threshold,
                                                         int max_detections) const {
  auto found = found_in(outputs, score_threshold);
  if (!found) return found;
  auto kept =
      suppress(*std::move(found), static_cast<float>(settings_.iou_threshold), max_detections);
  const auto scale = [&](int side) {
    return settings_.normalised ? static_cast<float>(side) : 1.0f;
  };
  for (Detection& detection : kept) {
    detection.box = to_picture(detection.box, placement, width, height, scale(options_.width),
                               scale(options_.height));
  }
  return kept;
}

}  // namespace millrace::serving
