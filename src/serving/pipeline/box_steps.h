// Steps over boxes: nms, yolox_boxes, boxes_to_picture. Boxes are [n, 4] or [1, n, 4]: left, top,
// right, bottom.
#pragma once

#include <span>

#include "serving/pipeline/step.h"

namespace millrace::serving {

std::span<const StepKind> box_steps();

}  // namespace millrace::serving
