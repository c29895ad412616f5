// Resizing with antialiasing, to the same bytes as Pillow's Image.resize: a separable filter whose
// support grows with the scale, weights in 22-bit fixed point, 8 bits between the two passes.
#pragma once

#include <cstdint>

#include "image/image.h"

namespace millrace::image {

enum class Filter : std::uint8_t { nearest, box, bilinear, bicubic, lanczos };

// width and height at least 1 (CHECK). The picture must not be empty.
Image resize(const Image& picture, int width, int height, Filter filter);

// `part` of what resize() would give, without computing the rest: memory is bounded by the part and
// the picture, however large width and height are.
Image resize_part(const Image& picture, int width, int height, Filter filter, Rect part);

}  // namespace millrace::image
