// Marks on a picture.
#pragma once

#include "image/image.h"

namespace millrace::image {

// The outline of a box, `thickness` pixels inwards; what lies outside the picture is left out.
void draw_box(Image& picture, Rect box, Colour colour, int thickness = 2);

// A colour for each class that is told apart from its neighbours'.
Colour colour_of_class(int index);

}  // namespace millrace::image
