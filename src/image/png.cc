// The one file that names libspng. It is given the critical chunks only: what text, profiles and
// animation frames would unpack to is never found out.
#include <spng.h>
#include <zlib.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "image/codecs.h"
#include "image/encode.h"
#include "image/exif.h"

namespace millrace::image {
namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kFrameBytes = 12;  // of a chunk: length, type, CRC

struct Free {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};
using Context = std::unique_ptr<spng_ctx, Free>;

struct Chunks {
  std::vector<std::byte> critical{};  // a PNG file of these alone
  int orientation = 1;
};

std::size_t big_endian(std::span<const std::byte> four) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::size_t>(four[i]);
  return value;
}

// The library checks no sum behind the last row; a file that was changed there is damaged as well.
bool has_right_sum(std::span<const std::byte> chunk) {
  const auto covered = chunk.subspan(4, chunk.size() - 8);  // type and data
  return crc32(0, reinterpret_cast<const Bytef*>(covered.data()),
               static_cast<uInt>(covered.size())) == big_endian(chunk.last(4));
}

Result<Chunks> split(std::span<const std::byte> encoded) {
  Chunks chunks;
  chunks.critical.reserve(encoded.size());
  const auto keep = [&](std::span<const std::byte> bytes) {
    chunks.critical.insert(chunks.critical.end(), bytes.begin(), bytes.end());
  };
  keep(encoded.first(kSignatureBytes));
  for (auto rest = encoded.subspan(kSignatureBytes); rest.size() >= kFrameBytes;) {
    const std::size_t length = big_endian(rest);
    if (length > rest.size() - kFrameBytes) break;
    const auto chunk = rest.first(length + kFrameBytes);
    const std::string_view type(reinterpret_cast<const char*>(chunk.data()) + 4, 4);
    if (type == "eXIf") chunks.orientation = orientation_of(chunk.subspan(8, length));
    const bool is_ancillary = (static_cast<unsigned char>(type[0]) & 0x20) != 0;
    if (!is_ancillary && !has_right_sum(chunk)) return damaged("PNG", "a checksum is wrong");
    if (!is_ancillary) keep(chunk);
    if (type == "IEND") return chunks;
    rest = rest.subspan(chunk.size());
  }
  return damaged("PNG", "it ends too early");
}

std::unexpected<Error> why(int code) {
  return damaged("PNG", spng_strerror(code));
}

}  // namespace

Result<Decoded> decode_png(std::span<const std::byte> encoded) {
  const auto chunks = split(encoded);
  if (!chunks) return std::unexpected(chunks.error());
  const Context context(spng_ctx_new(0));
  if (!context) return fail(ErrorKind::internal, "No memory is left for a PNG.");
  spng_set_image_limits(context.get(), kMaxSide, kMaxSide);
  spng_set_png_buffer(context.get(), chunks->critical.data(), chunks->critical.size());
  // The size first, as it stands there: the library's own refusal would not name it.
  if (encoded.size() >= kSignatureBytes + kFrameBytes + 8) {
    const auto header = encoded.subspan(kSignatureBytes + 8);
    const auto width = static_cast<std::int64_t>(big_endian(header));
    const auto height = static_cast<std::int64_t>(big_endian(header.subspan(4)));
    if (auto ok = check_size(width, height); !ok) return pass(ok);
  }
  spng_ihdr header{};
  if (const int code = spng_get_ihdr(context.get(), &header)) return why(code);
  if (auto ok = check_size(header.width, header.height); !ok) return pass(ok);
  Decoded decoded{
      .image = {.width = static_cast<int>(header.width), .height = static_cast<int>(header.height)},
      .orientation = chunks->orientation};
  std::size_t bytes = 0;
  if (const int code = spng_decoded_image_size(context.get(), SPNG_FMT_RGB8, &bytes)) {
    return why(code);
  }
  auto& rgb = decoded.image.rgb;
  rgb.resize(std::size_t{3} * header.width * header.height);
  if (bytes != rgb.size()) return fail(ErrorKind::internal, "A PNG has another size than it said.");
  if (const int code = spng_decode_image(context.get(), rgb.data(), rgb.size(), SPNG_FMT_RGB8, 0)) {
    return why(code);
  }
  return decoded;
}

Result<std::string> encode_png(const Image& picture) {
  const Context context(spng_ctx_new(SPNG_CTX_ENCODER));
  const auto failed = [] {
    return fail(ErrorKind::internal, "The picture could not be written as PNG.");
  };
  if (!context) return failed();
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(picture.width);
  header.height = static_cast<std::uint32_t>(picture.height);
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  if (spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1) ||
      spng_set_ihdr(context.get(), &header) ||
      spng_encode_image(context.get(), picture.rgb.data(), picture.rgb.size(), SPNG_FMT_PNG,
                        SPNG_ENCODE_FINALIZE)) {
    return failed();
  }
  std::size_t size = 0;
  int code = 0;
  const std::unique_ptr<void, decltype(&std::free)> bytes(
      spng_get_png_buffer(context.get(), &size, &code), &std::free);
  if (code || !bytes) return failed();
  return std::string(static_cast<const char*>(bytes.get()), size);
}

}  // namespace millrace::image
