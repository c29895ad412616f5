#include "serving/pipeline/box_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "serving/image/boxes.h"
#include "serving/pipeline/function_step.h"
#include "serving/pipeline/values.h"
#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

using Values = std::vector<Value>;

struct Thresholds {
  double score = 0.25;
  double overlap = 0.45;
  std::int64_t most = 100;
};

Thresholds read_thresholds(StepOptions& options) {
  Thresholds read;
  options.number("score_threshold", read.score, 0, 1);
  options.number("iou_threshold", read.overlap, 0, 1);
  options.integer("max_detections", read.most, 1, 1000);
  return read;
}

std::vector<StepOutput> found_outputs() {
  const auto list = [](DType dtype, Shape shape) {
    return ValueType{.dtype = dtype, .shape = shape, .any_rank = false};
  };
  return {{"boxes", list(DType::f32, Shape{-1, 4})},
          {"scores", list(DType::f32, Shape{-1})},
          {"classes", list(DType::i64, Shape{-1})}};
}

Result<Values> values_of(const std::vector<Detection>& found, std::int64_t max_bytes) {
  const auto count = static_cast<std::int64_t>(found.size());
  auto boxes = new_value(DType::f32, Shape{count, 4}, max_bytes);
  if (!boxes) return pass(boxes);
  auto scores = new_value(DType::f32, Shape{count}, max_bytes);
  if (!scores) return pass(scores);
  auto classes = new_value(DType::i64, Shape{count}, max_bytes);
  if (!classes) return pass(classes);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const Box& box = found[i].box;
    const float corners[] = {box.left, box.top, box.right, box.bottom};
    std::ranges::copy(corners, boxes->as<float>() + 4 * i);
    scores->as<float>()[i] = found[i].score;
    classes->as<std::int64_t>()[i] = found[i].index;
  }
  return Values{std::move(boxes->value), std::move(scores->value), std::move(classes->value)};
}

// A matrix [n, m], or [1, n, m].
struct Matrix {
  std::vector<float> numbers{};
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

Result<Matrix> matrix_of(const Value& value, const char* name) {
  const Shape& shape = value.shape;
  const bool batched = shape.rank() == 3 && shape[0] == 1;
  if (!is_float(value.dtype) || (shape.rank() != 2 && !batched)) {
    return invalid(
        fmt::format("{} must be a matrix of numbers, not {}", name, to_string(shape.dims())));
  }
  return Matrix{.numbers = floats_of(value),
                .rows = shape[shape.rank() - 2],
                .columns = shape[shape.rank() - 1]};
}

Result<std::unique_ptr<Step>> make_nms(StepPlan& plan) {
  const Thresholds limits = read_thresholds(plan.options);
  if (Status done = plan.options.finish(); !done) return pass(done);
  const auto run = [limits](std::span<const Value> in,
                            const StepContext& context) -> Result<Values> {
    const auto boxes = matrix_of(in[0], "boxes");
    if (!boxes) return std::unexpected(boxes.error());
    const auto scores = matrix_of(in[1], "scores");
    if (!scores) return std::unexpected(scores.error());
    if (boxes->columns != 4 || boxes->rows != scores->rows) {
      return invalid(fmt::format("boxes [n, 4] and scores [n, classes] are wanted, not {} and {}",
                                 to_string(in[0].shape.dims()), to_string(in[1].shape.dims())));
    }
    auto found = decode_boxes(boxes->numbers, scores->numbers, static_cast<float>(limits.score));
    return values_of(suppress(std::move(found), static_cast<float>(limits.overlap),
                              static_cast<int>(limits.most)),
                     context.max_bytes);
  };
  return make_step(found_outputs(), run);
}

Result<std::unique_ptr<Step>> make_yolox(StepPlan& plan) {
  const Thresholds limits = read_thresholds(plan.options);
  std::vector<std::int64_t> size;
  plan.options.integers("size", size, 1, image::kMaxSide);
  if (size.size() != 2) plan.options.refuse("size", "[width, height] of the model's input");
  if (Status done = plan.options.finish(); !done) return pass(done);
  const auto run = [limits, size](std::span<const Value> in,
                                  const StepContext& context) -> Result<Values> {
    const auto rows = matrix_of(in[0], "output");
    if (!rows) return std::unexpected(rows.error());
    auto found = decode_yolox(
        rows->numbers, static_cast<int>(std::min<std::int64_t>(rows->columns, 1 << 20)),
        static_cast<int>(size[0]), static_cast<int>(size[1]), static_cast<float>(limits.score));
    if (!found) return pass(found);
    return values_of(suppress(*std::move(found), static_cast<float>(limits.overlap),
                              static_cast<int>(limits.most)),
                     context.max_bytes);
  };
  return make_step(found_outputs(), run);
}

Result<std::unique_ptr<Step>> make_to_picture(StepPlan& plan) {
  std::vector<std::int64_t> size;
  plan.options.integers("normalised", size, 1, image::kMaxSide);
  if (plan.options.has("normalised") && size.size() != 2) {
    plan.options.refuse("normalised", "[width, height] of the model's input");
  }
  if (Status done = plan.options.finish(); !done) return pass(done);
  const auto run = [size](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    const auto boxes = matrix_of(in[0], "boxes");
    if (!boxes) return std::unexpected(boxes.error());
    const std::vector<float> at = is_float(in[1].dtype) ? floats_of(in[1]) : std::vector<float>();
    if (boxes->columns != 4 || at.size() != 4 || at[0] == 0 || at[1] == 0) {
      return invalid("boxes [n, 4] and the placement of fit_image are wanted");
    }
    if (in[2].shape.rank() != 3) return invalid("the picture is [height, width, 3]");
    const auto side = [&](int axis) {
      return static_cast<int>(std::min<std::int64_t>(in[2].shape[axis], image::kMaxSide));
    };
    const image::Placement placement{.scale_x = static_cast<double>(at[0]),
                                     .scale_y = static_cast<double>(at[1]),
                                     .offset_x = static_cast<double>(at[2]),
                                     .offset_y = static_cast<double>(at[3])};
    const float width = size.empty() ? 1 : static_cast<float>(size[0]);
    const float height = size.empty() ? 1 : static_cast<float>(size[1]);
    auto made = new_value(DType::f32, Shape{boxes->rows, 4}, context.max_bytes);
    if (!made) return pass(made);
    for (std::size_t i = 0; i + 3 < boxes->numbers.size(); i += 4) {
      const float* corner = boxes->numbers.data() + i;
      const Box box = to_picture({corner[0], corner[1], corner[2], corner[3]}, placement, side(1),
                                 side(0), width, height);
      const float corners[] = {box.left, box.top, box.right, box.bottom};
      std::ranges::copy(corners, made->as<float>() + i);
    }
    return Values{std::move(made->value)};
  };
  const ValueType boxes{.dtype = DType::f32, .shape = Shape{-1, 4}, .any_rank = false};
  return make_step({{"boxes", boxes}}, run);
}

}  // namespace

std::span<const StepKind> box_steps() {
  static const std::vector<StepKind> kinds = {
      {.name = "nms", .inputs = {{"boxes"}, {"scores"}}, .make = make_nms},
      {.name = "yolox_boxes", .inputs = {{"output"}}, .make = make_yolox},
      {.name = "boxes_to_picture",
       .inputs = {{"boxes"}, {"placement"}, {"image"}},
       .make = make_to_picture}};
  return kinds;
}

}  // namespace millrace::serving
