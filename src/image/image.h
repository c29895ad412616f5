// A decoded picture, and the limits of what is decoded. All functions of this layer are thread-safe
// and keep no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::image {

// 8-bit RGB, rows from the top, no padding: rgb.size() == 3 · width · height.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb{};

  bool operator==(const Image&) const = default;
};

// In pixels.
struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;
};

struct Colour {
  std::uint8_t r = 0;
  std::uint8_t g = 0;
  std::uint8_t b = 0;
};

// Checked against the header, before anything is allocated.
inline constexpr std::size_t kMaxEncodedBytes = std::size_t{20} << 20;
inline constexpr std::int64_t kMaxPixels = std::int64_t{16} << 20;
inline constexpr int kMaxSide = 8192;
inline constexpr int kMinSide = 4;

// All of one colour.
Image filled(int width, int height, Colour colour);

// The part must lie within the picture (CHECK).
Image crop(const Image& picture, Rect part);

}  // namespace millrace::image
