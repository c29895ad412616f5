#include "image/image.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::image {

Image filled(int width, int height, Colour colour) {
  MILLRACE_CHECK(width > 0 && height > 0);
  Image made{.width = width, .height = height};
  made.rgb.resize(std::size_t{3} * static_cast<std::size_t>(width) *
                  static_cast<std::size_t>(height));
  for (std::size_t i = 0; i < made.rgb.size(); i += 3) {
    made.rgb[i] = colour.r;
    made.rgb[i + 1] = colour.g;
    made.rgb[i + 2] = colour.b;
  }
  return made;
}

Image crop(const Image& picture, Rect part) {
  MILLRACE_CHECK(part.x >= 0 && part.y >= 0 && part.width > 0 && part.height > 0);
  MILLRACE_CHECK(part.width <= picture.width - part.x && part.height <= picture.height - part.y);
  Image cut{.width = part.width, .height = part.height};
  const std::size_t row_bytes = std::size_t{3} * static_cast<std::size_t>(part.width);
  cut.rgb.resize(row_bytes * static_cast<std::size_t>(part.height));
  for (int y = 0; y < part.height; ++y) {
    const std::size_t from =
        static_cast<std::size_t>(part.y + y) * 3 * static_cast<std::size_t>(picture.width) +
        std::size_t{3} * static_cast<std::size_t>(part.x);
    std::copy_n(picture.rgb.data() + from, row_bytes,
                cut.rgb.data() + static_cast<std::size_t>(y) * row_bytes);
  }
  return cut;
}

}  // namespace millrace::image
