// Steps over pictures: decode_image, fit_image, crop_boxes, draw_boxes, encode_image. A picture
// between steps is u8 [height, width, 3], RGB; a file is one BYTES element.
#pragma once

#include <span>

#include "serving/pipeline/step.h"

namespace millrace::serving {

std::span<const StepKind> image_steps();

}  // namespace millrace::serving
