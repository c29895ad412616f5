// The [image] table of model.toml: what makes a graph a model that answers pictures. As written;
// image_model compares it with the graph.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/to_tensor.h"

namespace millrace::serving {

enum class ImageTask : std::uint8_t { classify, detect };
const char* to_string(ImageTask task);  // "classify", "detect"

enum class DetectFormat : std::uint8_t { yolox, boxes_scores };

struct ImageSettings {
  std::string file{};  // "model.toml", for errors
  ImageTask task = ImageTask::classify;
  std::vector<std::string> labels{};  // by class; may be empty
  std::string input{};                // empty: the only one
  std::string output{};               // empty: the only one, or what the format calls it
  int width = 0;                      // 0: the graph's
  int height = 0;
  image::Fit fit = image::Fit::crop;
  double crop_fraction = 0.875;
  image::Filter filter = image::Filter::bilinear;
  image::Colour pad{114, 114, 114};
  bool pad_centred = true;
  std::optional<image::Channels> channels{};  // empty: rgb, or grey where there is one
  std::optional<image::Layout> layout{};      // empty: the graph's
  std::optional<double> scale{};              // empty: 1/255
  std::vector<double> mean{}, deviation{};    // 1 or 3
  // classify
  bool softmax = true;
  // detect
  DetectFormat format = DetectFormat::yolox;
  bool normalised = false;  // boxes are 0 to 1 of the input instead of its pixels
  double score_threshold = 0.25;
  double iou_threshold = 0.45;
  int max_detections = 100;
};

inline constexpr int kMaxDetections = 1000;
inline constexpr std::size_t kMaxLabels = 100'000;

// Nothing where the text has no [image]. A file of labels (one a line, or a JSON array of strings)
// is looked for in `folder` and never outside it. Errors name file, line, table and key.
Result<std::optional<ImageSettings>> read_image_settings(std::string_view toml,
                                                         const std::string& file_name,
                                                         const std::filesystem::path& folder);

}  // namespace millrace::serving
