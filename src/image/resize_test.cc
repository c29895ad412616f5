#include "image/resize.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "image/golden_files.h"
#include "image/to_tensor.h"

namespace millrace::image {
namespace {

Filter filter_of(std::string_view name) {
  if (name == "nearest") return Filter::nearest;
  if (name == "box") return Filter::box;
  if (name == "bicubic") return Filter::bicubic;
  if (name == "lanczos") return Filter::lanczos;
  return Filter::bilinear;
}

TEST(Resize, GivesTheBytesOfPillow) {
  int compared = 0;
  const json::value cases = golden("resize");
  for (const json::value& c : cases.as_array()) {
    const Image source = picture_of(c.at("source"));
    for (const json::value& wanted : c.at("results").as_array()) {
      const Image expected = picture_of(wanted);
      const std::string_view name = wanted.at("filter").as_string();
      const Image got = resize(source, expected.width, expected.height, filter_of(name));
      EXPECT_EQ(distance(got, expected), 0)
          << source.width << "x" << source.height << " to " << expected.width << "x"
          << expected.height << " by " << name;
      ++compared;
    }
  }
  EXPECT_GE(compared, 50);
}

TEST(Resize, APartIsThatPartOfTheWhole) {
  const Image source = picture_of(golden("luma").at("source"));
  for (const Filter filter :
       {Filter::nearest, Filter::box, Filter::bilinear, Filter::bicubic, Filter::lanczos}) {
    for (const auto& [width, height] : {std::pair{30, 20}, {5, 4}, {12, 20}, {30, 8}, {12, 8}}) {
      const Image whole = resize(source, width, height, filter);
      const Rect part{.x = 1, .y = 2, .width = width - 2, .height = height - 3};
      EXPECT_EQ(resize_part(source, width, height, filter, part), crop(whole, part));
    }
  }
}

TEST(Resize, ThinPicturesCostNoMoreThanTheirPart) {
  const Image thin = filled(kMaxSide, kMinSide, {50, 60, 70});
  const TensorOptions options{.width = 32, .height = 32};
  const Fitted fitted = fit(thin, options);
  EXPECT_EQ(fitted.image, filled(32, 32, {50, 60, 70}));
  EXPECT_DOUBLE_EQ(fitted.placement.scale_y, 36.0 / 4);
}

Fit fit_of(std::string_view name) {
  return name == "stretch" ? Fit::stretch : name == "crop" ? Fit::crop : Fit::letterbox;
}

TEST(FitPicture, GivesWhatTorchvisionsStepsGive) {
  const json::value cases = golden("fit");
  for (const json::value& c : cases.as_array()) {
    const Image source = picture_of(c.at("source"));
    const Image expected = picture_of(c.at("result"));
    const TensorOptions options{.width = expected.width,
                                .height = expected.height,
                                .fit = fit_of(c.at("fit").as_string()),
                                .crop_fraction = c.at("fraction").to_number<double>(),
                                .filter = filter_of(c.at("filter").as_string())};
    EXPECT_EQ(distance(fit(source, options).image, expected), 0)
        << c.at("fit") << " of " << source.width << "x" << source.height;
  }
}

TEST(FitPicture, ThePlacementLeadsBackToThePicture) {
  Image source = filled(200, 100, {});
  for (int y = 40; y < 60; ++y) {
    for (int x = 90; x < 110; ++x) source.rgb[static_cast<std::size_t>(3 * (200 * y + x))] = 255;
  }
  for (const Fit how : {Fit::stretch, Fit::crop, Fit::letterbox}) {
    for (const bool centred : {true, false}) {
      const TensorOptions options{
          .width = 64, .height = 48, .fit = how, .pad = {}, .pad_centred = centred};
      const auto [image, at] = fit(source, options);
      double sum = 0, sum_x = 0, sum_y = 0;  // the centre of the bright square
      for (int y = 0; y < 48; ++y) {
        for (int x = 0; x < 64; ++x) {
          const double light = image.rgb[static_cast<std::size_t>(3 * (64 * y + x))];
          sum += light;
          sum_x += light * (x + 0.5);
          sum_y += light * (y + 0.5);
        }
      }
      EXPECT_NEAR((sum_x / sum - at.offset_x) / at.scale_x, 100, 0.5);
      EXPECT_NEAR((sum_y / sum - at.offset_y) / at.scale_y, 50, 0.5);
    }
  }
}

template <class T>
std::vector<T> tensor_of(const Image& picture, TensorOptions options) {
  options.width = picture.width;
  options.height = picture.height;
  std::vector<T> out(tensor_bytes(options) / sizeof(T));
  write_tensor(picture, options, std::as_writable_bytes(std::span(out)));
  return out;
}

TEST(WriteTensor, LayoutsAndChannels) {
  const Image two{.width = 2, .height = 1, .rgb = {1, 2, 3, 4, 5, 6}};
  using Bytes = std::vector<std::uint8_t>;
  const TensorOptions u8{.dtype = DType::u8};
  EXPECT_EQ(tensor_of<std::uint8_t>(two, u8), (Bytes{1, 4, 2, 5, 3, 6}));
  TensorOptions options = u8;
  options.channels = Channels::bgr;
  EXPECT_EQ(tensor_of<std::uint8_t>(two, options), (Bytes{3, 6, 2, 5, 1, 4}));
  options.layout = Layout::nhwc;
  EXPECT_EQ(tensor_of<std::uint8_t>(two, options), (Bytes{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(tensor_shape({.width = 5, .height = 7}), (Shape{1, 3, 7, 5}));
  EXPECT_EQ(
      tensor_shape({.width = 5, .height = 7, .channels = Channels::grey, .layout = Layout::nhwc}),
      (Shape{1, 7, 5, 1}));
}

TEST(WriteTensor, GreyIsPillowsLuma) {
  const json::value file = golden("luma");
  const Image source = picture_of(file.at("source"));
  EXPECT_EQ(tensor_of<std::uint8_t>(source, {.channels = Channels::grey, .dtype = DType::u8}),
            from_hex(file.at("grey").as_string()));
}

TEST(WriteTensor, NumbersOfEachType) {
  const Image one{.width = 1, .height = 1, .rgb = {255, 0, 128}};
  TensorOptions options{.mean = {0.485, 0.456, 0.406}, .deviation = {0.229, 0.224, 0.225}};
  const auto floats = tensor_of<float>(one, options);
  EXPECT_FLOAT_EQ(floats[0], static_cast<float>((1 - 0.485) / 0.229));
  EXPECT_FLOAT_EQ(floats[1], static_cast<float>(-0.456 / 0.224));
  EXPECT_FLOAT_EQ(floats[2], static_cast<float>((128.0 / 255 - 0.406) / 0.225));
  const auto halves = [&](double scale, double mean, DType dtype) {
    return tensor_of<std::uint16_t>(one,
                                    {.dtype = dtype, .scale = scale, .mean = {mean, mean, mean}});
  };
  using Words = std::vector<std::uint16_t>;
  // 1, 0 and 128/255; 65504 is the largest half; 2^-24 the smallest.
  EXPECT_EQ(halves(1.0 / 255, 0, DType::f16), (Words{0x3c00, 0x0000, 0x3804}));
  EXPECT_EQ(halves(1.0 / 255, 2, DType::f16), (Words{0xbc00, 0xc000, 0xbdfe}));
  EXPECT_EQ(halves(1, -65504 + 255, DType::f16)[0], 0x7bff);
  EXPECT_EQ(halves(1000, 0, DType::f16)[0], 0x7c00);
  EXPECT_EQ(halves(0x1p-24 / 255, 0, DType::f16)[0], 0x0001);
  EXPECT_EQ(halves(1.0 / 255, 0, DType::bf16), (Words{0x3f80, 0x0000, 0x3f01}));
}

}  // namespace
}  // namespace millrace::image
