#include "serving/image/boxes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace millrace::serving {
namespace {

constexpr std::size_t kMaxCandidates = 4096;
constexpr std::array kStrides = {8, 16, 32};

float area(const Box& box) {
  return std::max(0.0f, box.right - box.left) * std::max(0.0f, box.bottom - box.top);
}

bool is_finite(const Box& box) {
  return std::isfinite(box.left) && std::isfinite(box.top) && std::isfinite(box.right) &&
         std::isfinite(box.bottom);
}

bool is_better(const Detection& a, const Detection& b) {
  return a.score != b.score ? a.score > b.score : a.index < b.index;
}

std::size_t num_anchors(int width, int height) {
  std::size_t count = 0;
  for (const int stride : kStrides) {
    count += static_cast<std::size_t>(width / stride) * static_cast<std::size_t>(height / stride);
  }
  return count;
}

// One anchor's row; cell and stride say where it looks.
void add_anchor(std::span<const float> row, int column, int line, int stride, float threshold,
                std::vector<Detection>& found) {
  const auto classes = row.subspan(5);
  const auto best = std::ranges::max_element(classes);
  const float score = row[4] * *best;
  if (!(score >= threshold)) return;
  const auto size = static_cast<float>(stride);
  const float x = (row[0] + static_cast<float>(column)) * size;
  const float y = (row[1] + static_cast<float>(line)) * size;
  const float half_width = std::exp(row[2]) * size / 2;
  const float half_height = std::exp(row[3]) * size / 2;
  const Box box{x - half_width, y - half_height, x + half_width, y + half_height};
  if (!is_finite(box)) return;
  found.push_back({static_cast<int>(best - classes.begin()), score, box});
}

}  // namespace

float intersection_over_union(const Box& a, const Box& b) {
  const float shared = area({std::max(a.left, b.left), std::max(a.top, b.top),
                             std::min(a.right, b.right), std::min(a.bottom, b.bottom)});
  const float together = area(a) + area(b) - shared;
  return together > 0 ? shared / together : 0;
}

std::vector<Detection> suppress(std::vector<Detection> found, float iou_threshold,
                                int max_detections) {
  std::ranges::stable_sort(found, is_better);
  if (found.size() > kMaxCandidates) found.resize(kMaxCandidates);
  std::vector<Detection> kept;
  for (const Detection& candidate : found) {
    if (kept.size() >= static_cast<std::size_t>(max_detections)) break;
    const bool hidden = std::ranges::any_of(kept, [&](const Detection& better) {
      return better.index == candidate.index &&
             intersection_over_union(better.box, candidate.box) > iou_threshold;
    });
    if (!hidden) kept.push_back(candidate);
  }
  return kept;
}

Result<std::vector<Detection>> decode_yolox(std::span<const float> output, int row_length,
                                            int width, int height, float score_threshold) {
  const std::size_t anchors = num_anchors(width, height);
  if (row_length < 6 || output.size() != anchors * static_cast<std::size_t>(row_length)) {
    return invalid(fmt::format(
        "The model's output is not that of a YOLOX with an input of {} x {}: it has {} numbers, "
        "not {} rows of {}.",
        width, height, output.size(), anchors, row_length));
  }
  std::vector<Detection> found;
  for (const int stride : kStrides) {
    for (int line = 0; line < height / stride; ++line) {
      for (int column = 0; column < width / stride; ++column) {
        add_anchor(output.first(static_cast<std::size_t>(row_length)), column, line, stride,
                   score_threshold, found);
        output = output.subspan(static_cast<std::size_t>(row_length));
      }
    }
  }
  return found;
}

std::vector<Detection> decode_boxes(std::span<const float> boxes, std::span<const float> scores,
                                    float score_threshold) {
  std::vector<Detection> found;
  const std::size_t rows = boxes.size() / 4;
  const std::size_t classes = rows > 0 ? scores.size() / rows : 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const Box box{boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3]};
    if (!is_finite(box)) continue;
    for (std::size_t c = 0; c < classes; ++c) {
      const float score = scores[i * classes + c];
      if (score >= score_threshold) found.push_back({static_cast<int>(c), score, box});
    }
  }
  return found;
}

Box to_picture(const Box& box, const image::Placement& placement, int width, int height,
               float scale_x, float scale_y) {
  const auto back = [](float at, double grown, double offset, double scale, int size) {
    const double where = (static_cast<double>(at) * grown - offset) / scale;
    return static_cast<float>(std::clamp(where, 0.0, static_cast<double>(size)));
  };
  const image::Placement& p = placement;
  return {back(box.left, static_cast<double>(scale_x), p.offset_x, p.scale_x, width),
          back(box.top, static_cast<double>(scale_y), p.offset_y, p.scale_y, height),
          back(box.right, static_cast<double>(scale_x), p.offset_x, p.scale_x, width),
          back(box.bottom, static_cast<double>(scale_y), p.offset_y, p.scale_y, height)};
}

}  // namespace millrace::serving
