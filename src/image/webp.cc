// The one file that names libwebp.
#include <webp/decode.h>

#include <string_view>

#include "image/codecs.h"
#include "image/decode.h"
#include "image/exif.h"

namespace millrace::image {
namespace {

constexpr std::size_t kHeaderBytes = 12;  // "RIFF", size, "WEBP"
constexpr std::string_view kExifMark{"Exif\0\0", 6};

std::size_t little_endian(std::span<const std::byte> four) {
  std::size_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | std::to_integer<std::size_t>(four[i]);
  return value;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int find_orientation(std::span<const std::byte> encoded) {
  for (auto rest = encoded.subspan(kHeaderBytes); rest.size() >= 8;) {
    const std::size_t length = little_endian(rest.subspan(4));
    if (length > rest.size() - 8) return 1;
    if (text_of(rest.first(4)) == "EXIF") {
      auto exif = rest.subspan(8, length);
      if (text_of(exif).starts_with(kExifMark)) exif = exif.subspan(kExifMark.size());
      return orientation_of(exif);
    }
    const std::size_t padded = length + length % 2;
    if (padded > rest.size() - 8) return 1;
    rest = rest.subspan(8 + padded);
  }
  return 1;
}

}  // namespace

Result<Decoded> decode_webp(std::span<const std::byte> encoded) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(encoded.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, encoded.size(), &features) != VP8_STATUS_OK) {
    return damaged("WebP", "its header cannot be read");
  }
  if (features.has_animation) {
    return invalid("This WebP is an animation. Send a single picture.", {}, kUnsupportedMedia);
  }
  if (auto ok = check_size(features.width, features.height); !ok) return pass(ok);
  Decoded decoded{.image = {.width = features.width, .height = features.height},
                  .orientation = find_orientation(encoded)};
  auto& rgb = decoded.image.rgb;
  const std::size_t row_bytes = std::size_t{3} * static_cast<std::size_t>(features.width);
  rgb.resize(row_bytes * static_cast<std::size_t>(features.height));
  if (!WebPDecodeRGBInto(data, encoded.size(), rgb.data(), rgb.size(),
                         static_cast<int>(row_bytes))) {
    return damaged("WebP", "it is truncated or its data are wrong");
  }
  return decoded;
}

}  // namespace millrace::image
