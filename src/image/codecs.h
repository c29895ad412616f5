// The three formats, each in the one file that names its library. Used by decode and encode only;
// callers have checked the encoded size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "image/image.h"

namespace millrace::image {

struct Decoded {
  Image image{};        // as stored
  int orientation = 1;  // EXIF, 1 to 8
};

Result<Decoded> decode_jpeg(std::span<const std::byte> encoded, const std::stop_token& stop);
Result<Decoded> decode_png(std::span<const std::byte> encoded);
Result<Decoded> decode_webp(std::span<const std::byte> encoded);

// The limits of image.h.
Status check_size(std::int64_t width, std::int64_t height);
// "The PNG is damaged: why." with code invalid_image.
std::unexpected<Error> damaged(const char* kind, const std::string& why);

}  // namespace millrace::image
