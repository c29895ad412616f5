#include "image/to_tensor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace millrace::image {
namespace {

struct Size {
  int width, height;
};

// The smallest size of the picture's shape that covers `target`; the longer side is cut off, as
// torchvision's Resize does.
Size covering(const Image& picture, Size target) {
  const double by_width = static_cast<double>(target.width) / picture.width;
  const double by_height = static_cast<double>(target.height) / picture.height;
  const auto other = [](int side, int wanted, int of) {
    return static_cast<int>(static_cast<std::int64_t>(side) * wanted / of);
  };
  if (by_width >= by_height) {
    return {target.width,
            std::max(target.height, other(picture.height, target.width, picture.width))};
  }
  return {std::max(target.width, other(picture.width, target.height, picture.height)),
          target.height};
}

int rounded_half_even(double value) {
  return static_cast<int>(std::nearbyint(value));
}

Fitted fit_crop(const Image& picture, const TensorOptions& options) {
  // A hair more than the quotient: 224 / 0.875 is 256, not 255.99….
  const auto grown = [&](int side) {
    return std::max(side, static_cast<int>(std::floor(side / options.crop_fraction + 1e-6)));
  };
  const Size whole = covering(picture, {grown(options.width), grown(options.height)});
  const Rect part{.x = rounded_half_even((whole.width - options.width) / 2.0),
                  .y = rounded_half_even((whole.height - options.height) / 2.0),
                  .width = options.width,
                  .height = options.height};
  return {.image = resize_part(picture, whole.width, whole.height, options.filter, part),
          .placement = {.scale_x = static_cast<double>(whole.width) / picture.width,
                        .scale_y = static_cast<double>(whole.height) / picture.height,
                        .offset_x = -static_cast<double>(part.x),
                        .offset_y = -static_cast<double>(part.y)}};
}

Fitted fit_letterbox(const Image& picture, const TensorOptions& options) {
  const double scale = std::min(static_cast<double>(options.width) / picture.width,
                                static_cast<double>(options.height) / picture.height);
  const auto scaled = [&](int side, int most) {
    return std::clamp(rounded_half_even(side * scale), 1, most);
  };
  const int width = scaled(picture.width, options.width);
  const int height = scaled(picture.height, options.height);
  const Image inner = resize(picture, width, height, options.filter);
  const int left = options.pad_centred ? (options.width - width) / 2 : 0;
  const int top = options.pad_centred ? (options.height - height) / 2 : 0;
  Fitted fitted{.image = filled(options.width, options.height, options.pad),
                .placement = {.scale_x = static_cast<double>(width) / picture.width,
                              .scale_y = static_cast<double>(height) / picture.height,
                              .offset_x = static_cast<double>(left),
                              .offset_y = static_cast<double>(top)}};
  const std::size_t row_bytes = std::size_t{3} * static_cast<std::size_t>(width);
  for (int y = 0; y < height; ++y) {
    const std::size_t to =
        3 * (static_cast<std::size_t>(top + y) * static_cast<std::size_t>(options.width) +
             static_cast<std::size_t>(left));
    std::copy_n(inner.rgb.data() + static_cast<std::size_t>(y) * row_bytes, row_bytes,
                fitted.image.rgb.data() + to);
  }
  return fitted;
}

std::size_t num_channels(Channels channels) {
  return channels == Channels::grey ? 1 : 3;
}

// Round to nearest, ties to even; what is too large becomes infinite.
std::uint16_t to_f16(float value) {
  const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const float size = std::abs(value);
  if (!(size < 65520.0f)) return static_cast<std::uint16_t>(sign | 0x7c00);
  if (size < 0x1p-14f) {  // denormal steps of 2^-24
    return static_cast<std::uint16_t>(sign | static_cast<int>(std::nearbyint(size * 0x1p24f)));
  }
  const auto bits = std::bit_cast<std::uint32_t>(size);
  const std::uint32_t rounded = bits + 0xfff + ((bits >> 13) & 1);
  return static_cast<std::uint16_t>(sign | ((rounded - (std::uint32_t{112} << 23)) >> 13));
}

std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <class T>
T element(float value, DType dtype) {
  if constexpr (sizeof(T) == 2)
    return dtype == DType::f16 ? to_f16(value) : to_bf16(value);
  else
    return static_cast<T>(value);
}

// What each value of a byte becomes, by channel of the tensor.
template <class T>
using Tables = std::array<std::array<T, 256>, 3>;

template <class T>
Tables<T> make_tables(const TensorOptions& options) {
  Tables<T> tables;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 256; ++i) {
      const double value =
          options.dtype == DType::u8
              ? static_cast<double>(i)
              : (static_cast<double>(i) * options.scale - options.mean[c]) / options.deviation[c];
      tables[c][i] = element<T>(static_cast<float>(value), options.dtype);
    }
  }
  return tables;
}

std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >>
                                   16);
}

template <class T>
void write(const Image& picture, const TensorOptions& options, std::byte* out) {
  const Tables<T> tables = make_tables<T>(options);
  const std::size_t channels = num_channels(options.channels);
  const std::size_t pixels = picture.rgb.size() / 3;
  const std::size_t between_channels = options.layout == Layout::nchw ? pixels : 1;
  const std::size_t between_pixels = options.layout == Layout::nchw ? 1 : channels;
  auto* elements = reinterpret_cast<T*>(out);
  for (std::size_t c = 0; c < channels; ++c) {
    const auto& table = tables[c];
    T* to = elements + c * between_channels;
    const std::uint8_t* from = picture.rgb.data();
    if (options.channels == Channels::grey) {
      for (std::size_t i = 0; i < pixels; ++i) to[i * between_pixels] = table[luma(from + 3 * i)];
    } else {
      from += options.channels == Channels::bgr ? 2 - c : c;
      for (std::size_t i = 0; i < pixels; ++i) to[i * between_pixels] = table[from[3 * i]];
    }
  }
}

}  // namespace

Fitted fit(const Image& picture, const TensorOptions& options) {
  switch (options.fit) {
    case Fit::crop:
      return fit_crop(picture, options);
    case Fit::letterbox:
      return fit_letterbox(picture, options);
    case Fit::stretch:
      break;
  }
  return {.image = resize(picture, options.width, options.height, options.filter),
          .placement = {.scale_x = static_cast<double>(options.width) / picture.width,
                        .scale_y = static_cast<double>(options.height) / picture.height}};
}

Shape tensor_shape(const TensorOptions& options) {
  const auto channels = static_cast<std::int64_t>(num_channels(options.channels));
  if (options.layout == Layout::nchw) return {1, channels, options.height, options.width};
  return {1, options.height, options.width, channels};
}

std::size_t tensor_bytes(const TensorOptions& options) {
  return static_cast<std::size_t>(tensor_shape(options).num_elements()) *
         dtype_block_bytes(options.dtype);
}

void write_tensor(const Image& picture, const TensorOptions& options, std::span<std::byte> out) {
  MILLRACE_CHECK(picture.width == options.width && picture.height == options.height);
  MILLRACE_CHECK(out.size() == tensor_bytes(options));
  switch (options.dtype) {
    case DType::u8:
      return write<std::uint8_t>(picture, options, out.data());
    case DType::f16:
    case DType::bf16:
      return write<std::uint16_t>(picture, options, out.data());
    default:
      MILLRACE_CHECK(options.dtype == DType::f32);
      return write<float>(picture, options, out.data());
  }
}

}  // namespace millrace::image
