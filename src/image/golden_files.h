// For tests: tests/goldens/images, written by tools/goldens/image_goldens.py.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "image/image.h"

namespace millrace::image {

inline json::value golden(const std::string& name) {
  const auto text =
      read_file(MILLRACE_SOURCE_DIR "/tests/goldens/images/" + name + ".json", 8 << 20);
  EXPECT_TRUE(text) << name;
  auto parsed = parse_json(text ? *text : "{}");
  EXPECT_TRUE(parsed) << name;
  return parsed ? *parsed : json::value();
}

inline std::vector<std::uint8_t> from_hex(std::string_view hex) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

inline Image picture_of(const json::value& pixels) {
  return {.width = static_cast<int>(pixels.at("width").as_int64()),
          .height = static_cast<int>(pixels.at("height").as_int64()),
          .rgb = from_hex(pixels.at("rgb").as_string())};
}

// The largest difference of a channel; 256 where the sizes differ.
inline int distance(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.rgb.size() != b.rgb.size()) return 256;
  int most = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    most = std::max(most, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
  }
  return most;
}

}  // namespace millrace::image
