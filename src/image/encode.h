// RGB to bytes of a file.
#pragma once

#include <string>

#include "base/result.h"
#include "image/image.h"

namespace millrace::image {

// quality: 1 to 100, others are clamped.
Result<std::string> encode_jpeg(const Image& picture, int quality = 90);
Result<std::string> encode_png(const Image& picture);

}  // namespace millrace::image
