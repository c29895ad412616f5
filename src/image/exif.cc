#include "image/exif.h"

#include <cstdint>
#include <cstring>
#include <utility>

namespace millrace::image {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShort = 3;
constexpr std::size_t kEntryBytes = 12;

// Reads of a TIFF structure in its own byte order. What lies outside reads as 0.
class Tiff {
 public:
  Tiff(std::span<const std::byte> bytes, bool big_endian) : bytes_(bytes), big_(big_endian) {}

  std::uint32_t u16(std::size_t at) const { return read(at, 2); }
  std::uint32_t u32(std::size_t at) const { return read(at, 4); }

 private:
  std::uint32_t read(std::size_t at, std::size_t count) const {
    if (at > bytes_.size() || bytes_.size() - at < count) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t from = big_ ? i : count - 1 - i;
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at + from]);
    }
    return value;
  }
  std::span<const std::byte> bytes_;
  bool big_;
};

// Where output pixel (0, 0) comes from, and the steps in the source for one to the right and down.
struct Walk {
  std::ptrdiff_t start, right, down;
};

Walk walk_of(int orientation, std::ptrdiff_t width, std::ptrdiff_t height) {
  const std::ptrdiff_t last_column = width - 1;
  const std::ptrdiff_t last_row = (height - 1) * width;
  switch (orientation) {
    case 2:
      return {last_column, -1, width};
    case 3:
      return {last_row + last_column, -1, -width};
    case 4:
      return {last_row, 1, -width};
    case 5:
      return {0, width, 1};
    case 6:
      return {last_row, -width, 1};
    case 7:
      return {last_row + last_column, -width, -1};
    case 8:
      return {last_column, width, -1};
    default:
      return {0, 1, width};
  }
}

}  // namespace

int orientation_of(std::span<const std::byte> tiff) {
  if (tiff.size() < 8) return 1;
  const bool big = tiff[0] == std::byte{'M'} && tiff[1] == std::byte{'M'};
  const bool little = tiff[0] == std::byte{'I'} && tiff[1] == std::byte{'I'};
  if (!big && !little) return 1;
  const Tiff file(tiff, big);
  if (file.u16(2) != 42) return 1;
  const std::size_t directory = file.u32(4);
  const std::size_t count = file.u16(directory);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (entry >= tiff.size()) break;
    if (file.u16(entry) != kOrientationTag || file.u16(entry + 2) != kShort) continue;
    const std::uint32_t value = file.u16(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image upright(Image stored, int orientation) {
  if (orientation < 2 || orientation > 8) return stored;
  const Walk walk = walk_of(orientation, stored.width, stored.height);
  Image turned{.width = stored.width, .height = stored.height};
  if (orientation >= 5) std::swap(turned.width, turned.height);
  turned.rgb.resize(stored.rgb.size());
  std::uint8_t* out = turned.rgb.data();
  for (int y = 0; y < turned.height; ++y) {
    std::ptrdiff_t from = walk.start + y * walk.down;
    for (int x = 0; x < turned.width; ++x, out += 3, from += walk.right) {
      std::memcpy(out, stored.rgb.data() + 3 * from, 3);
    }
  }
  return turned;
}

}  // namespace millrace::image
