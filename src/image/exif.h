// The one EXIF tag that changes what a picture shows: its orientation.
#pragma once

#include <cstddef>
#include <span>

#include "image/image.h"

namespace millrace::image {

// From a TIFF structure (what follows "Exif\0\0"). 1 where it is absent, broken or out of range.
// Looks at the first directory only and follows no links, so nothing can loop.
int orientation_of(std::span<const std::byte> tiff);

// Turns and mirrors a stored picture as orientation 1 to 8 says.
Image upright(Image stored, int orientation);

}  // namespace millrace::image
