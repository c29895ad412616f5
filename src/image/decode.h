// Encoded pictures to RGB: JPEG, PNG and WebP, told apart by their first bytes. Hostile input:
// bounded before it is believed.
#pragma once

#include <cstddef>
#include <span>
#include <stop_token>

#include "base/result.h"
#include "image/image.h"

namespace millrace::image {

inline constexpr const char* kInvalidImage = "invalid_image";
inline constexpr const char* kUnsupportedMedia = "unsupported_media";

// Upright (EXIF orientation is applied), 8 bits a channel, always RGB: grey is repeated, palettes
// are looked up, 16 bits give their upper 8, alpha is dropped, CMYK is converted without a profile.
// Errors, all invalid_argument: code unsupported_media for another kind of file and for animations,
// invalid_image for what is damaged, truncated or beyond the limits of image.h. A requested stop
// ends it early with `cancelled`.
Result<Image> decode(std::span<const std::byte> encoded, const std::stop_token& stop = {});

}  // namespace millrace::image
