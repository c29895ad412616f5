#include "serving/image/image_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/settings.h"

namespace millrace::serving {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxLabelBytes = std::size_t{4} << 20;

// The table as text and numbers, before it means anything.
struct Written {
  std::string task, input, output, layout = "auto", channels = "auto", format = "yolox";
  std::string resize, filter = "bilinear", pad_place, boxes = "pixels";
  std::vector<std::string> labels;
  std::vector<double> size, mean, deviation, pad{114, 114, 114}, scale;
  double crop = 0.875, score_threshold = 0.25, iou_threshold = 0.45;
  std::int64_t max_detections = 100;
  bool softmax = true;
};

void declare(Settings& keys, Written& w) {
  keys.choice("task", w.task, {"classify", "detect"}, "");
  keys.texts("labels", w.labels, "");
  keys.text("input", w.input, "NAME", "");
  keys.text("output", w.output, "NAME", "");
  keys.numbers("size", w.size, 2, 2, "");
  keys.choice("resize", w.resize, {"stretch", "crop", "letterbox"}, "");
  keys.number("crop", w.crop, 0.05, 1, "");
  keys.choice("filter", w.filter, {"nearest", "box", "bilinear", "bicubic", "lanczos"}, "");
  keys.numbers("pad", w.pad, 3, 3, "");
  keys.choice("pad-place", w.pad_place, {"around", "right-bottom"}, "");
  keys.choice("channels", w.channels, {"auto", "rgb", "bgr", "grey"}, "");
  keys.choice("layout", w.layout, {"auto", "nchw", "nhwc"}, "");
  keys.numbers("scale", w.scale, 1, 1, "");
  keys.numbers("mean", w.mean, 1, 3, "");
  keys.numbers("std", w.deviation, 1, 3, "");
  keys.flag("softmax", w.softmax, "");
  keys.choice("format", w.format, {"yolox", "boxes_scores"}, "");
  keys.choice("boxes", w.boxes, {"pixels", "normalised"}, "");
  keys.number("score-threshold", w.score_threshold, 0, 1, "");
  keys.number("iou-threshold", w.iou_threshold, 0, 1, "");
  keys.integer("max-detections", w.max_detections, 1, kMaxDetections, "");
}

image::Filter filter_of(std::string_view name) {
  if (name == "nearest") return image::Filter::nearest;
  if (name == "box") return image::Filter::box;
  if (name == "bicubic") return image::Filter::bicubic;
  if (name == "lanczos") return image::Filter::lanczos;
  return image::Filter::bilinear;
}

image::Fit fit_of(std::string_view name, ImageTask task) {
  if (name == "stretch") return image::Fit::stretch;
  if (name == "crop") return image::Fit::crop;
  if (name == "letterbox") return image::Fit::letterbox;
  return task == ImageTask::detect ? image::Fit::letterbox : image::Fit::crop;
}

// Turns what was written into settings; says what is wrong with a key as Settings would.
class Reading {
 public:
  Reading(const std::string& file_name, const fs::path& folder)
      : file_name_(file_name), folder_(folder) {}

  Result<ImageSettings> settings(Written& w) {
    if (w.task.empty()) return wrong("task", "it must be \"classify\" or \"detect\"");
    ImageSettings s{.file = file_name_,
                    .task = w.task == "detect" ? ImageTask::detect : ImageTask::classify,
                    .input = std::move(w.input),
                    .output = std::move(w.output)};
    s.fit = fit_of(w.resize, s.task);
    s.crop_fraction = w.crop;
    s.filter = filter_of(w.filter);
    s.softmax = w.softmax;
    s.format = w.format == "yolox" ? DetectFormat::yolox : DetectFormat::boxes_scores;
    // A YOLOX was trained with its picture in the upper left corner.
    s.pad_centred = w.pad_place.empty()
                        ? s.task == ImageTask::classify || s.format != DetectFormat::yolox
                        : w.pad_place == "around";
    s.normalised = w.boxes == "normalised";
    s.score_threshold = w.score_threshold;
    s.iou_threshold = w.iou_threshold;
    s.max_detections = static_cast<int>(w.max_detections);
    if (w.layout != "auto") {
      s.layout = w.layout == "nchw" ? image::Layout::nchw : image::Layout::nhwc;
    }
    if (w.channels != "auto") {
      s.channels = w.channels == "rgb"   ? image::Channels::rgb
                   : w.channels == "bgr" ? image::Channels::bgr
                                         : image::Channels::grey;
    }
    if (!w.scale.empty()) s.scale = w.scale.front();
    if (Status ok = numbers(w, s); !ok) return pass(ok);
    if (Status ok = labels(w, s); !ok) return pass(ok);
    return s;
  }

 private:
  std::unexpected<Error> wrong(const char* key, const std::string& what) const {
    return invalid(fmt::format("{}: [image] {}: {}", file_name_, key, what), key);
  }

  Status numbers(Written& w, ImageSettings& s) const {
    if (!w.size.empty()) {
      for (const double side : w.size) {
        if (side != std::floor(side) || side < 1 || side > image::kMaxSide) {
          return wrong("size", fmt::format("each side must be a whole number from 1 to {}",
                                           image::kMaxSide));
        }
      }
      s.width = static_cast<int>(w.size[0]);
      s.height = static_cast<int>(w.size[1]);
    }
    for (const double value : w.pad) {
      if (value != std::floor(value) || value < 0 || value > 255) {
        return wrong("pad", "each value must be a whole number from 0 to 255");
      }
    }
    s.pad = {static_cast<std::uint8_t>(w.pad[0]), static_cast<std::uint8_t>(w.pad[1]),
             static_cast<std::uint8_t>(w.pad[2])};
    if (w.mean.size() == 2) return wrong("mean", "1 or 3 numbers are wanted, not 2");
    if (w.deviation.size() == 2) return wrong("std", "1 or 3 numbers are wanted, not 2");
    if (std::ranges::any_of(w.deviation, [](double d) { return d == 0; })) {
      return wrong("std", "it must not be 0");
    }
    s.mean = std::move(w.mean);
    s.deviation = std::move(w.deviation);
    return {};
  }

  // One text that names a file, or the labels themselves.
  Status labels(Written& w, ImageSettings& s) const {
    const bool is_file = w.labels.size() == 1;
    if (!is_file) {
      s.labels = std::move(w.labels);
      return count(s);
    }
    const auto path = resolve_beneath(folder_, w.labels.front());
    if (!path) return wrong("labels", path.error().message);
    const auto text = read_file(*path, kMaxLabelBytes);
    if (!text) return wrong("labels", text.error().message);
    const bool is_json = text->find_first_not_of(" \t\r\n") != std::string::npos &&
                         (*text)[text->find_first_not_of(" \t\r\n")] == '[';
    if (Status ok = is_json ? from_json(*text, s) : from_lines(*text, s); !ok) return ok;
    return count(s);
  }

  Status count(const ImageSettings& s) const {
    if (s.labels.size() <= kMaxLabels) return {};
    return wrong("labels", fmt::format("there may be at most {}", kMaxLabels));
  }

  Status from_json(std::string_view text, ImageSettings& s) const {
    const auto parsed = parse_json(text);
    if (!parsed) return wrong("labels", parsed.error().message);
    for (const json::value& label : parsed->as_array()) {
      if (!label.is_string()) return wrong("labels", "the JSON array must hold strings only");
      s.labels.emplace_back(label.as_string());
    }
    return {};
  }

  static Status from_lines(std::string_view text, ImageSettings& s) {
    while (!text.empty()) {
      const auto end = text.find('\n');
      std::string_view line = text.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      s.labels.emplace_back(line);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return {};
  }

  const std::string& file_name_;
  const fs::path& folder_;
};

}  // namespace

const char* to_string(ImageTask task) {
  return task == ImageTask::classify ? "classify" : "detect";
}

Result<std::optional<ImageSettings>> read_image_settings(std::string_view toml,
                                                         const std::string& file_name,
                                                         const fs::path& folder) {
  if (!has_toml_table(toml, "image")) return std::nullopt;
  Settings keys;
  Written written;
  declare(keys, written);
  if (Status ok = keys.apply_toml(toml, file_name, "image"); !ok) return pass(ok);
  auto settings = Reading(file_name, folder).settings(written);
  if (!settings) return pass(settings);
  return std::optional(*std::move(settings));
}

}  // namespace millrace::serving
