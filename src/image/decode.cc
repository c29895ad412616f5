#include "image/decode.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "image/codecs.h"
#include "image/exif.h"

namespace millrace::image {
namespace {

enum class Kind : std::uint8_t { jpeg, png, webp, other };

struct Signature {
  std::size_t at;
  std::string_view bytes;
  const char* name;
};

// What people send by mistake, so that the answer can name it.
constexpr std::array kOthers = {
    Signature{0, "GIF8", "a GIF"},
    Signature{0, "%PDF", "a PDF"},
    Signature{0, "BM", "a BMP"},
    Signature{0, std::string_view("II*\0", 4), "a TIFF"},
    Signature{0, std::string_view("MM\0*", 4), "a TIFF"},
    Signature{4, "ftypavi", "an AVIF"},
    Signature{4, "ftyphei", "a HEIC"},
    Signature{4, "ftypmif1", "a HEIF"},
    Signature{4, "ftyp", "a video"},
    Signature{0, "\xff\x0a", "a JPEG XL"},
    Signature{4, "JXL ", "a JPEG XL"},
    Signature{4, "jP  ", "a JPEG 2000"},
    Signature{0, "<svg", "an SVG"},
    Signature{0, "<?xml", "an SVG or other XML"},
    Signature{0, "<!DOC", "an HTML page"},
    Signature{0, "<html", "an HTML page"},
};

bool has(std::string_view data, std::size_t at, std::string_view bytes) {
  return data.size() >= at + bytes.size() && data.substr(at, bytes.size()) == bytes;
}

Kind kind_of(std::string_view data) {
  if (has(data, 0, "\xff\xd8\xff")) return Kind::jpeg;
  if (has(data, 0, "\x89PNG\r\n\x1a\n")) return Kind::png;
  if (has(data, 0, "RIFF") && has(data, 8, "WEBP")) return Kind::webp;
  return Kind::other;
}

std::unexpected<Error> unsupported(std::string_view data) {
  const auto known = std::ranges::find_if(
      kOthers, [&](const Signature& other) { return has(data, other.at, other.bytes); });
  const std::string what = known == kOthers.end() ? "no picture of a known kind" : known->name;
  return invalid("This file is " + what + ". Send JPEG, PNG or WebP.", {}, kUnsupportedMedia);
}

Result<Decoded> decode_as(Kind kind, std::span<const std::byte> encoded,
                          const std::stop_token& stop) {
  switch (kind) {
    case Kind::jpeg:
      return decode_jpeg(encoded, stop);
    case Kind::png:
      return decode_png(encoded);
    default:
      return decode_webp(encoded);
  }
}

}  // namespace

Status check_size(std::int64_t width, std::int64_t height) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height);
  if (width < kMinSide || height < kMinSide) {
    return invalid("The picture is " + size + " pixels; each side must have at least " +
                       std::to_string(kMinSide) + ".",
                   {}, kInvalidImage);
  }
  if (width > kMaxSide || height > kMaxSide) {
    return invalid("The picture is " + size + " pixels; a side may have at most " +
                       std::to_string(kMaxSide) + ".",
                   {}, kInvalidImage);
  }
  if (width * height > kMaxPixels) {
    return invalid("The picture is " + size + " pixels; at most " + std::to_string(kMaxPixels) +
                       " in all are accepted.",
                   {}, kInvalidImage);
  }
  return {};
}

std::unexpected<Error> damaged(const char* kind, const std::string& why) {
  return invalid(std::string("The ") + kind + " is damaged: " + why + ".", {}, kInvalidImage);
}

Result<Image> decode(std::span<const std::byte> encoded, const std::stop_token& stop) {
  if (encoded.empty()) return invalid("The picture is empty.", {}, kInvalidImage);
  if (encoded.size() > kMaxEncodedBytes) {
    return invalid("The picture has " + std::to_string(encoded.size()) + " bytes; at most " +
                       std::to_string(kMaxEncodedBytes) + " are accepted.",
                   {}, kInvalidImage);
  }
  const std::string_view data(reinterpret_cast<const char*>(encoded.data()), encoded.size());
  const Kind kind = kind_of(data);
  if (kind == Kind::other) return unsupported(data);
  if (stop.stop_requested()) return fail(ErrorKind::cancelled, "The client left.");
  auto decoded = decode_as(kind, encoded, stop);
  if (!decoded) return pass(decoded);
  return upright(std::move(decoded->image), decoded->orientation);
}

}  // namespace millrace::image
