#include "serving/pipeline/image_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "image/decode.h"
#include "image/draw.h"
#include "image/encode.h"
#include "image/to_tensor.h"
#include "serving/pipeline/function_step.h"
#include "serving/pipeline/values.h"
#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

using Values = std::vector<Value>;
constexpr std::int64_t kMaxBoxes = 10'000;

const ValueType kPicture{.dtype = DType::u8, .shape = Shape{-1, -1, 3}, .any_rank = false};
const ValueType kFile{.dtype = DType::bytes, .shape = Shape{1}, .any_rank = false};
const ValueType kPlacement{.dtype = DType::f32, .shape = Shape{4}, .any_rank = false};

Status wants(const StepPlan& plan, std::size_t input, const ValueType& type) {
  if (may_fit(*plan.inputs[input].type, type)) return {};
  return plan.options.wrong(fmt::format("inputs: {} is {}, {} is wanted", plan.inputs[input].name,
                                        to_string(*plan.inputs[input].type), to_string(type)));
}

Result<image::Image> picture_of(const Value& value) {
  const Shape& shape = value.shape;
  if (value.dtype != DType::u8 || shape.rank() != 3 || shape[2] != 3 || shape[0] < 1 ||
      shape[1] < 1 || shape[0] > image::kMaxSide || shape[1] > image::kMaxSide ||
      value.data.size() != static_cast<std::size_t>(shape[0] * shape[1] * 3)) {
    return invalid(fmt::format("a picture is UINT8 [height, width, 3] of at most {} a side, not {}",
                               image::kMaxSide, to_string(shape.dims())));
  }
  image::Image picture{.width = static_cast<int>(shape[1]), .height = static_cast<int>(shape[0])};
  picture.rgb.resize(value.data.size());
  std::memcpy(picture.rgb.data(), value.data.data(), value.data.size());
  return picture;
}

Result<Value> value_of_picture(image::Image picture, std::int64_t max_bytes) {
  if (static_cast<std::int64_t>(picture.rgb.size()) > max_bytes) {
    return fail(ErrorKind::too_large, fmt::format("a picture of {} x {} pixels is too large here",
                                                  picture.width, picture.height));
  }
  const auto kept = std::make_shared<const image::Image>(std::move(picture));
  return Value{.dtype = DType::u8,
               .shape = Shape{kept->height, kept->width, 3},
               .data = std::as_bytes(std::span(kept->rgb)),
               .owner = kept};
}

// Corners of boxes [n, 4] or [1, n, 4].
Result<std::vector<float>> corners_of(const Value& value) {
  const Shape& shape = value.shape;
  const bool batched = shape.rank() == 3 && shape[0] == 1;
  if (!is_float(value.dtype) || (shape.rank() != 2 && !batched) || shape[shape.rank() - 1] != 4) {
    return invalid(fmt::format("boxes are [n, 4], not {}", to_string(shape.dims())));
  }
  const std::int64_t count = shape[shape.rank() - 2];
  if (count > kMaxBoxes) return invalid(fmt::format("there are more than {} boxes", kMaxBoxes));
  return floats_of(value);
}

// The pixels that a box touches; empty where that is none.
std::optional<image::Rect> pixels_of(std::span<const float> corners, const image::Image& picture) {
  const auto edge = [](float at, int size, bool up) {
    if (std::isnan(at)) return 0;
    const float whole = up ? std::ceil(at) : std::floor(at);
    return static_cast<int>(std::clamp(whole, 0.0f, static_cast<float>(size)));
  };
  const int left = edge(corners[0], picture.width, false);
  const int top = edge(corners[1], picture.height, false);
  const int right = edge(corners[2], picture.width, true);
  const int bottom = edge(corners[3], picture.height, true);
  if (right <= left || bottom <= top) return std::nullopt;
  return image::Rect{left, top, right - left, bottom - top};
}

// --- options that say what a model takes

void read_numbers(StepOptions& options, const char* key, std::array<double, 3>& target) {
  std::vector<double> numbers;
  options.numbers(key, numbers);
  if (!options.has(key)) return;
  if (numbers.size() != 1 && numbers.size() != 3) return options.refuse(key, "1 or 3 numbers");
  for (std::size_t c = 0; c < 3; ++c) target[c] = numbers.size() == 1 ? numbers[0] : numbers[c];
  if (std::ranges::any_of(target, [](double x) { return !std::isfinite(x); })) {
    options.refuse(key, "finite numbers are wanted");
  }
}

template <class T>
void read_choice(StepOptions& options, const char* key, T& target,
                 const std::vector<std::pair<std::string, T>>& choices) {
  std::vector<std::string> names;
  for (const auto& choice : choices) names.push_back(choice.first);
  std::string name;
  options.choice(key, name, names);
  for (const auto& choice : choices) {
    if (choice.first == name) target = choice.second;
  }
}

image::TensorOptions read_tensor_options(StepOptions& options, image::Fit fallback) {
  image::TensorOptions to{.fit = fallback};
  std::vector<std::int64_t> size, pad{114, 114, 114};
  options.integers("size", size, 1, image::kMaxSide);
  if (size.size() == 2) {
    to.width = static_cast<int>(size[0]);
    to.height = static_cast<int>(size[1]);
  } else {
    options.refuse("size", "[width, height] is wanted");
  }
  options.integers("pad", pad, 0, 255);
  if (pad.size() != 3) options.refuse("pad", "3 numbers are wanted");
  if (pad.size() == 3) {
    to.pad = {static_cast<std::uint8_t>(pad[0]), static_cast<std::uint8_t>(pad[1]),
              static_cast<std::uint8_t>(pad[2])};
  }
  read_choice<image::Fit>(options, "resize", to.fit,
                          {{"stretch", image::Fit::stretch},
                           {"crop", image::Fit::crop},
                           {"letterbox", image::Fit::letterbox}});
  read_choice<image::Filter>(options, "filter", to.filter,
                             {{"nearest", image::Filter::nearest},
                              {"box", image::Filter::box},
                              {"bilinear", image::Filter::bilinear},
                              {"bicubic", image::Filter::bicubic},
                              {"lanczos", image::Filter::lanczos}});
  read_choice<bool>(options, "pad_place", to.pad_centred,
                    {{"around", true}, {"right-bottom", false}});
  read_choice<image::Channels>(options, "channels", to.channels,
                               {{"rgb", image::Channels::rgb},
                                {"bgr", image::Channels::bgr},
                                {"grey", image::Channels::grey}});
  read_choice<image::Layout>(options, "layout", to.layout,
                             {{"nchw", image::Layout::nchw}, {"nhwc", image::Layout::nhwc}});
  read_choice<DType>(
      options, "dtype", to.dtype,
      {{"FP32", DType::f32}, {"FP16", DType::f16}, {"BF16", DType::bf16}, {"UINT8", DType::u8}});
  options.number("crop", to.crop_fraction, 0.05, 1);
  options.number("scale", to.scale, -1e6, 1e6);
  read_numbers(options, "mean", to.mean);
  read_numbers(options, "std", to.deviation);
  if (std::ranges::any_of(to.deviation, [](double x) { return x == 0; })) {
    options.refuse("std", "it must not be 0");
  }
  return to;
}

// [rows, …] of what a model takes.
ValueType tensor_type(const image::TensorOptions& to, std::int64_t rows) {
  return {.dtype = to.dtype, .shape = with_rows(image::tensor_shape(to), rows), .any_rank = false};
}

// --- the steps

Result<std::unique_ptr<Step>> make_decode(StepPlan& plan) {
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (plan.inputs[0].type->dtype != DType::bytes) {
    return plan.options.wrong("inputs: the bytes of a file are wanted (BYTES)");
  }
  const auto run = [](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    const auto files = strings_of(in[0]);
    if (files.size() != 1) {
      return invalid(fmt::format("one picture is wanted, not {}", files.size()));
    }
    auto picture = image::decode(files[0], context.stop);
    if (!picture) return pass(picture);
    auto value = value_of_picture(*std::move(picture), context.max_bytes);
    if (!value) return pass(value);
    return Values{*std::move(value)};
  };
  return make_step({{"image", kPicture}}, run);
}

Result<std::unique_ptr<Step>> make_fit(StepPlan& plan) {
  const image::TensorOptions to = read_tensor_options(plan.options, image::Fit::crop);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status ok = wants(plan, 0, kPicture); !ok) return pass(ok);
  const auto run = [to](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    const auto picture = picture_of(in[0]);
    if (!picture) return std::unexpected(picture.error());
    auto tensor = new_value(to.dtype, image::tensor_shape(to), context.max_bytes);
    if (!tensor) return pass(tensor);
    auto placement = new_value(DType::f32, Shape{4}, context.max_bytes);
    if (!placement) return pass(placement);
    const image::Fitted fitted = image::fit(*picture, to);
    image::write_tensor(fitted.image, to, {tensor->bytes, tensor->value.data.size()});
    const image::Placement& p = fitted.placement;
    const double numbers[] = {p.scale_x, p.scale_y, p.offset_x, p.offset_y};
    std::ranges::transform(numbers, placement->as<float>(),
                           [](double x) { return static_cast<float>(x); });
    return Values{std::move(tensor->value), std::move(placement->value)};
  };
  return make_step({{"tensor", tensor_type(to, 1)}, {"placement", kPlacement}}, run);
}

Result<Values> crop_all(const image::Image& picture, std::span<const float> corners,
                        const image::TensorOptions& to, const StepContext& context) {
  const auto rows = static_cast<std::int64_t>(corners.size() / 4);
  auto made = new_value(to.dtype, with_rows(image::tensor_shape(to), rows), context.max_bytes);
  if (!made) return pass(made);
  const std::size_t bytes = image::tensor_bytes(to);
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
    if (context.stop.stop_requested()) return fail(ErrorKind::cancelled, "The client left.");
    const auto part = pixels_of(corners.subspan(4 * i, 4), picture);
    const image::Image cut = part ? image::crop(picture, *part) : image::filled(1, 1, to.pad);
    image::write_tensor(image::fit(cut, to).image, to, {made->bytes + i * bytes, bytes});
  }
  return Values{std::move(made->value)};
}

Result<std::unique_ptr<Step>> make_crop_boxes(StepPlan& plan) {
  const image::TensorOptions to = read_tensor_options(plan.options, image::Fit::stretch);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status ok = wants(plan, 0, kPicture); !ok) return pass(ok);
  const auto run = [to](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    const auto picture = picture_of(in[0]);
    if (!picture) return std::unexpected(picture.error());
    const auto corners = corners_of(in[1]);
    if (!corners) return std::unexpected(corners.error());
    return crop_all(*picture, *corners, to, context);
  };
  return make_step({{"tensor", tensor_type(to, -1)}}, run);
}

Result<std::unique_ptr<Step>> make_draw_boxes(StepPlan& plan) {
  std::int64_t thickness = 2;
  plan.options.integer("thickness", thickness, 1, 64);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status ok = wants(plan, 0, kPicture); !ok) return pass(ok);
  const auto run = [thickness](std::span<const Value> in,
                               const StepContext& context) -> Result<Values> {
    auto picture = picture_of(in[0]);
    if (!picture) return pass(picture);
    const auto corners = corners_of(in[1]);
    if (!corners) return std::unexpected(corners.error());
    const std::size_t count = corners->size() / 4;
    const bool has_classes = !in[2].data.empty();
    if (has_classes && (!is_number(in[2].dtype) ||
                        in[2].shape.num_elements() != static_cast<std::int64_t>(count))) {
      return invalid("classes must be a number a box");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto part = pixels_of(std::span(*corners).subspan(4 * i, 4), *picture);
      const double index = has_classes ? number_at(in[2], static_cast<std::int64_t>(i)) : 0;
      const int colour = index >= 0 && index < 1e6 ? static_cast<int>(index) : 0;
      if (part) {
        image::draw_box(*picture, *part, image::colour_of_class(colour),
                        static_cast<int>(thickness));
      }
    }
    auto value = value_of_picture(*std::move(picture), context.max_bytes);
    if (!value) return pass(value);
    return Values{*std::move(value)};
  };
  return make_step({{"image", kPicture}}, run);
}

Result<std::unique_ptr<Step>> make_encode(StepPlan& plan) {
  std::string format = "jpeg";
  std::int64_t quality = 90;
  plan.options.choice("format", format, {"jpeg", "png"});
  plan.options.integer("quality", quality, 1, 100);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status ok = wants(plan, 0, kPicture); !ok) return pass(ok);
  const auto run = [png = format == "png", quality](std::span<const Value> in,
                                                    const StepContext& context) -> Result<Values> {
    const auto picture = picture_of(in[0]);
    if (!picture) return std::unexpected(picture.error());
    const auto file =
        png ? image::encode_png(*picture) : image::encode_jpeg(*picture, static_cast<int>(quality));
    if (!file) return std::unexpected(file.error());
    if (static_cast<std::int64_t>(file->size()) > context.max_bytes) {
      return fail(ErrorKind::too_large, "the file is too large here");
    }
    std::string bytes;
    append_string(bytes, *file);
    return Values{value_of(DType::bytes, Shape{1}, std::move(bytes))};
  };
  return make_step({{"file", kFile}}, run);
}

}  // namespace

std::span<const StepKind> image_steps() {
  static const std::vector<StepKind> kinds = {
      {.name = "decode_image", .inputs = {{"file"}}, .make = make_decode},
      {.name = "fit_image", .inputs = {{"image"}}, .make = make_fit},
      {.name = "crop_boxes", .inputs = {{"image"}, {"boxes"}}, .make = make_crop_boxes},
      {.name = "draw_boxes",
       .inputs = {{"image"}, {"boxes"}, {.name = "classes", .optional = true}},
       .make = make_draw_boxes},
      {.name = "encode_image", .inputs = {{"image"}}, .make = make_encode}};
  return kinds;
}

}  // namespace millrace::serving
