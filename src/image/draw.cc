#include "image/draw.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace millrace::image {
namespace {

struct Span {
  int begin, end;
};

Span inside(std::int64_t begin, std::int64_t end, int size) {
  return {static_cast<int>(std::clamp<std::int64_t>(begin, 0, size)),
          static_cast<int>(std::clamp<std::int64_t>(end, 0, size))};
}

void fill(Image& picture, Span columns, Span rows, Colour colour) {
  for (int y = rows.begin; y < rows.end; ++y) {
    std::uint8_t* pixel = picture.rgb.data() + 3 * (static_cast<std::size_t>(y) *
                                                        static_cast<std::size_t>(picture.width) +
                                                    static_cast<std::size_t>(columns.begin));
    for (int x = columns.begin; x < columns.end; ++x, pixel += 3) {
      pixel[0] = colour.r;
      pixel[1] = colour.g;
      pixel[2] = colour.b;
    }
  }
}

}  // namespace

void draw_box(Image& picture, Rect box, Colour colour, int thickness) {
  if (box.width <= 0 || box.height <= 0) return;
  const std::int64_t left = box.x, top = box.y;
  const std::int64_t right = left + box.width, bottom = top + box.height;
  const std::int64_t across = std::min(thickness, box.width);
  const std::int64_t down = std::min(thickness, box.height);
  const Span columns = inside(left, right, picture.width);
  const Span rows = inside(top, bottom, picture.height);
  fill(picture, columns, inside(top, top + down, picture.height), colour);
  fill(picture, columns, inside(bottom - down, bottom, picture.height), colour);
  fill(picture, inside(left, left + across, picture.width), rows, colour);
  fill(picture, inside(right - across, right, picture.width), rows, colour);
}

Colour colour_of_class(int index) {
  static constexpr std::array<Colour, 10> kColours = {{{230, 25, 75},
                                                       {60, 180, 75},
                                                       {0, 130, 200},
                                                       {245, 130, 48},
                                                       {145, 30, 180},
                                                       {70, 240, 240},
                                                       {240, 50, 230},
                                                       {210, 245, 60},
                                                       {0, 128, 128},
                                                       {255, 225, 25}}};
  return kColours[static_cast<std::size_t>(index < 0 ? 0 : index) % kColours.size()];
}

}  // namespace millrace::image
