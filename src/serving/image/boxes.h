// Boxes around things: from what detectors say to what people want. Free functions, no state.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "image/to_tensor.h"

namespace millrace::serving {

// Corners, x to the right, y down.
struct Box {
  float left = 0;
  float top = 0;
  float right = 0;
  float bottom = 0;
};

struct Detection {
  int index = 0;  // class
  float score = 0;
  Box box{};
};

// The overlap of two boxes as part of their union; 0 where either is empty.
float intersection_over_union(const Box& a, const Box& b);

// The best first; of boxes of one class that overlap by more than the threshold only the best
// stays. At most `max_detections`. Work is bounded: of the best 4,096 only.
std::vector<Detection> suppress(std::vector<Detection> found, float iou_threshold,
                                int max_detections);

// YOLOX's output [anchors, 5 + classes] of one picture, as its ONNX exports give it: centre and
// log-size relative to the cells of grids of strides 8, 16 and 32, then objectness and classes,
// both as probabilities. Boxes in pixels of the input. invalid_argument where the number of anchors
// is not that of the input's size. NaNs are no detections.
Result<std::vector<Detection>> decode_yolox(std::span<const float> output, int row_length,
                                            int width, int height, float score_threshold);

// boxes [n, 4] as left, top, right, bottom; scores [n, classes]. A box may be found once a class.
std::vector<Detection> decode_boxes(std::span<const float> boxes, std::span<const float> scores,
                                    float score_threshold);

// From the model's input to the picture, cut off at the picture's edges. `scale_x`, `scale_y`: what
// the boxes' numbers are multiplied by first (the input's size where they are 0 to 1).
Box to_picture(const Box& box, const image::Placement& placement, int width, int height,
               float scale_x = 1, float scale_y = 1);

}  // namespace millrace::serving
