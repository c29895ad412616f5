// ImageModel: a graph and its [image] table put together: how a picture becomes its input, and what
// its outputs say about the picture. Immutable, thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/to_tensor.h"
#include "servable/description.h"
#include "serving/image/boxes.h"
#include "serving/image/image_settings.h"
#include "serving/image/scores.h"

namespace millrace::serving {

class ImageModel {
 public:
  // Errors say which key of which file does not go with the graph.
  static Result<ImageModel> make(ImageSettings settings, const ModelDescription& graph);

  ImageTask task() const { return settings_.task; }
  const ImageSettings& settings() const { return settings_; }
  const std::string& input_name() const { return input_name_; }
  const image::TensorOptions& tensor_options() const { return options_; }
  // What people call the class; its number where there are no labels.
  std::string label_of(int index) const;

  // `outputs` of one picture, in the graph's order. `internal` where they are not what the table
  // says. Of classify:
  Result<std::vector<ClassScore>> classes_of(std::span<const OutputTensor> outputs,
                                             std::size_t top_k) const;
  // Of detect: boxes in pixels of the picture of that size, fitted as `placement` says.
  Result<std::vector<Detection>> detections_of(std::span<const OutputTensor> outputs,
                                               const image::Placement& placement, int width,
                                               int height, float score_threshold,
                                               int max_detections) const;

 private:
  struct Output {
    std::size_t index = 0;
    DType dtype = DType::f32;
  };
  explicit ImageModel(ImageSettings settings) : settings_(std::move(settings)) {}

  Status take_input(const ModelDescription& graph);
  Status take_shape(const TensorSpec& input);
  Status take_numbers();
  Status take_outputs(const ModelDescription& graph);
  Result<Output> find_output(const ModelDescription& graph, const std::string& name) const;
  Status check_labels(std::int64_t num_classes, const std::string& output) const;
  std::unexpected<Error> wrong(const char* key, const std::string& what) const;
  Result<std::vector<Detection>> found_in(std::span<const OutputTensor> outputs,
                                          float score_threshold) const;

  ImageSettings settings_;
  std::string input_name_{};
  image::TensorOptions options_{};
  Output first_{};   // scores of classes, YOLOX's rows, or boxes
  Output second_{};  // scores of boxes
};

}  // namespace millrace::serving
