// From a picture of any size to the tensor that a model takes, and back from the model's pixels to
// the picture's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "image/image.h"
#include "image/resize.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace millrace::image {

enum class Fit : std::uint8_t {
  stretch,    // to width x height, whatever the shape
  crop,       // the smallest that covers (width, height) / crop_fraction; its centre is kept
  letterbox,  // the largest that fits inside; the rest is `pad`
};
enum class Channels : std::uint8_t { rgb, bgr, grey };  // grey: ITU-R 601 luma, one channel
enum class Layout : std::uint8_t { nchw, nhwc };

struct TensorOptions {
  int width = 0;  // of the model's input; 1 to kMaxSide
  int height = 0;
  Fit fit = Fit::crop;
  double crop_fraction = 0.875;  // above 0, at most 1
  Filter filter = Filter::bilinear;
  Colour pad{114, 114, 114};
  bool pad_centred = true;  // else the picture is at the top left
  Channels channels = Channels::rgb;
  Layout layout = Layout::nchw;
  DType dtype = DType::f32;  // f32, f16, bf16 or u8
  // (pixel · scale − mean) / deviation, a channel, in the order of `channels`. Not for u8.
  double scale = 1.0 / 255;
  std::array<double, 3> mean{};
  std::array<double, 3> deviation{1, 1, 1};
};

// Where the picture lies in the model's input: input = picture · scale + offset, in pixels.
struct Placement {
  double scale_x = 1;
  double scale_y = 1;
  double offset_x = 0;
  double offset_y = 0;
};

struct Fitted {
  Image image{};  // width x height
  Placement placement{};
};

// Memory is bounded by the picture and the input, whatever their shapes.
Fitted fit(const Image& picture, const TensorOptions& options);

// [1, channels, height, width] or [1, height, width, channels], and its bytes.
Shape tensor_shape(const TensorOptions& options);
std::size_t tensor_bytes(const TensorOptions& options);
// `picture` has the input's size, `out` tensor_bytes() bytes (CHECK).
void write_tensor(const Image& picture, const TensorOptions& options, std::span<std::byte> out);

}  // namespace millrace::image
