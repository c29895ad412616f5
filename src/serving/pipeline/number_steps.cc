#include "serving/pipeline/number_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "serving/pipeline/function_step.h"
#include "serving/pipeline/text_steps.h"
#include "serving/pipeline/values.h"

namespace millrace::serving {
namespace {

using Values = std::vector<Value>;
constexpr std::size_t kMaxLabelBytes = std::size_t{16} << 20;
constexpr std::int64_t kMaxRows = 1'000'000;

Status check_numbers(const StepPlan& plan, std::size_t input = 0) {
  if (is_number(plan.inputs[input].type->dtype)) return {};
  return plan.options.wrong(
      fmt::format("inputs: '{}' must be numbers, not strings", plan.inputs[input].name));
}

ValueType like(const ValueType& type, DType dtype) {
  return {.dtype = dtype, .shape = type.shape, .any_rank = type.any_rank};
}

// Conversion to f32 needs memory too.
Status room_for_floats(const Value& value, const StepContext& context) {
  const auto bytes = bytes_of(DType::f32, value.shape);
  if (bytes && *bytes <= context.max_bytes) return {};
  return fail(ErrorKind::too_large, "the values take more than a request may use");
}

Result<std::unique_ptr<Step>> make_softmax(StepPlan& plan) {
  std::int64_t axis = -1;
  plan.options.integer("axis", axis, -kMaxRank, kMaxRank - 1);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status numbers = check_numbers(plan); !numbers) return pass(numbers);
  const auto run = [axis](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    const Shape& shape = in[0].shape;
    const auto along = static_cast<int>(axis < 0 ? axis + shape.rank() : axis);
    if (along < 0 || along >= shape.rank()) {
      return invalid(fmt::format("there is no axis {} in a value of {} axes", axis, shape.rank()));
    }
    auto made = new_value(DType::f32, shape, context.max_bytes / 2);
    if (!made) return pass(made);
    const std::vector<float> x = floats_of(in[0]);
    auto* y = made->as<float>();
    const auto n = static_cast<std::size_t>(shape[along]);
    std::size_t inner = 1;
    for (int i = along + 1; i < shape.rank(); ++i) inner *= static_cast<std::size_t>(shape[i]);
    const std::size_t outer = x.empty() ? 0 : x.size() / (n * inner);
    for (std::size_t o = 0; o < outer; ++o) {
      for (std::size_t i = 0; i < inner; ++i) {
        const std::size_t first = o * n * inner + i;
        float most = -std::numeric_limits<float>::infinity();
        for (std::size_t k = 0; k < n; ++k) most = std::max(most, x[first + k * inner]);
        double sum = 0;
        for (std::size_t k = 0; k < n; ++k) {
          sum += y[first + k * inner] = std::exp(x[first + k * inner] - most);
        }
        for (std::size_t k = 0; k < n; ++k) {
          y[first + k * inner] = static_cast<float>(y[first + k * inner] / sum);
        }
      }
    }
    return Values{std::move(made->value)};
  };
  return make_step({{"values", like(*plan.inputs[0].type, DType::f32)}}, run);
}

// The indices of the k largest of n, ties to the lower index; NaN is the smallest.
std::vector<std::size_t> largest(const float* x, std::size_t n, std::size_t k) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto before = [x](std::size_t a, std::size_t b) {
    const bool nan_a = std::isnan(x[a]), nan_b = std::isnan(x[b]);
    if (nan_a != nan_b) return nan_b;
    if (!nan_a && x[a] != x[b]) return x[a] > x[b];
    return a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    before);
  order.resize(k);
  return order;
}

Shape last_axis(const Shape& shape, std::int64_t size) {
  std::vector<std::int64_t> dims(shape.dims().begin(), shape.dims().end());
  dims.back() = size;
  return Shape(dims);
}

Shape without_last_axis(const Shape& shape) {
  return Shape(shape.dims().first(shape.dims().size() - 1));
}

// The k largest along the last axis. `drop`: that axis, of size 1, is taken off.
Result<Values> rank(const Value& scores, std::size_t k, bool drop,
                    const std::vector<std::string>& labels, const StepContext& context) {
  if (scores.shape.rank() == 0) return invalid("scores need at least one axis");
  if (Status room = room_for_floats(scores, context); !room) return pass(room);
  const auto n = static_cast<std::size_t>(scores.shape[scores.shape.rank() - 1]);
  k = std::min(k, n);
  if (drop && n == 0) return invalid("there is no largest of no elements");
  const Shape kept = last_axis(scores.shape, static_cast<std::int64_t>(k));
  const Shape shape = drop ? without_last_axis(kept) : kept;
  auto values = new_value(DType::f32, shape, context.max_bytes);
  if (!values) return pass(values);
  auto indices = new_value(DType::i64, shape, context.max_bytes);
  if (!indices) return pass(indices);
  const std::vector<float> x = floats_of(scores);
  std::string text;
  std::size_t at = 0;
  for (std::size_t row = 0; n > 0 && row < x.size() / n; ++row) {
    for (const std::size_t index : largest(x.data() + row * n, n, k)) {
      values->as<float>()[at] = x[row * n + index];
      indices->as<std::int64_t>()[at++] = static_cast<std::int64_t>(index);
      if (!labels.empty()) append_string(text, label_of(labels, static_cast<std::int64_t>(index)));
    }
  }
  Values out{std::move(values->value), std::move(indices->value)};
  if (!labels.empty()) out.push_back(value_of(DType::bytes, shape, std::move(text)));
  return out;
}

Result<std::unique_ptr<Step>> make_ranking(StepPlan& plan, std::int64_t k, bool drop) {
  std::string text;
  plan.options.file("labels", text, kMaxLabelBytes);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status numbers = check_numbers(plan); !numbers) return pass(numbers);
  auto labels = read_labels(text);
  if (plan.options.has("labels") && labels.empty()) {
    return plan.options.wrong("labels: the file has no line");
  }
  ValueType type = like(*plan.inputs[0].type, DType::f32);
  if (!type.any_rank && type.shape.rank() == 0) {
    return plan.options.wrong("inputs: 'scores' need at least one axis");
  }
  if (!type.any_rank) {
    const std::int64_t n = type.shape[type.shape.rank() - 1];
    const Shape kept = last_axis(type.shape, n < 0 ? -1 : std::min(k, n));
    type.shape = drop ? without_last_axis(kept) : kept;
  }
  std::vector<StepOutput> outputs{{"values", type}, {"indices", like(type, DType::i64)}};
  if (!labels.empty()) outputs.push_back({"labels", like(type, DType::bytes)});
  const auto run = [k, drop, labels = std::move(labels)](std::span<const Value> in,
                                                         const StepContext& context) {
    return rank(in[0], static_cast<std::size_t>(k), drop, labels, context);
  };
  return make_step(std::move(outputs), run);
}

Result<std::unique_ptr<Step>> make_top_k(StepPlan& plan) {
  std::int64_t k = 5;
  plan.options.integer("k", k, 1, 100'000);
  return make_ranking(plan, k, false);
}

Result<std::unique_ptr<Step>> make_argmax(StepPlan& plan) {
  return make_ranking(plan, 1, true);
}

struct Limits {
  double above = -std::numeric_limits<double>::infinity();
  double below = std::numeric_limits<double>::infinity();
  bool hold(double x) const { return x > above && x < below; }
};

Limits read_limits(StepPlan& plan) {
  Limits limits;
  plan.options.number("above", limits.above, std::numeric_limits<double>::lowest(),
                      std::numeric_limits<double>::max());
  plan.options.number("below", limits.below, std::numeric_limits<double>::lowest(),
                      std::numeric_limits<double>::max());
  if (!plan.options.has("above") && !plan.options.has("below")) {
    plan.options.refuse("above", "say above or below, or both");
  }
  return limits;
}

Result<std::unique_ptr<Step>> make_threshold(StepPlan& plan) {
  const Limits limits = read_limits(plan);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status numbers = check_numbers(plan); !numbers) return pass(numbers);
  const auto run = [limits](std::span<const Value> in,
                            const StepContext& context) -> Result<Values> {
    auto mask = new_value(DType::boolean, in[0].shape, context.max_bytes);
    if (!mask) return pass(mask);
    for (std::int64_t i = 0; i < in[0].shape.num_elements(); ++i) {
      mask->bytes[i] = static_cast<std::byte>(limits.hold(number_at(in[0], i)));
    }
    return Values{std::move(mask->value)};
  };
  return make_step({{"mask", like(*plan.inputs[0].type, DType::boolean)}}, run);
}

// `values`: null where there are none to pick from.
Result<Values> filter(const Value& scores, const Value* values, const Limits& limits,
                      std::int64_t max_rows, const StepContext& context) {
  const std::int64_t rows = num_rows(scores);
  if (scores.shape.num_elements() != rows) {
    return invalid("'scores' need one number a row");
  }
  if (values && num_rows(*values) != rows) {
    return invalid(
        fmt::format("'values' has {} rows, but 'scores' has {}", num_rows(*values), rows));
  }
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < rows; ++i) {
    if (limits.hold(number_at(scores, i))) kept.push_back(i);
  }
  if (static_cast<std::int64_t>(kept.size()) > max_rows) {  // the best, in their order
    std::ranges::stable_sort(kept, [&](std::int64_t a, std::int64_t b) {
      return number_at(scores, a) > number_at(scores, b);
    });
    kept.resize(static_cast<std::size_t>(max_rows));
    std::ranges::sort(kept);
  }
  const Shape shape{static_cast<std::int64_t>(kept.size())};
  auto out = new_value(DType::f32, shape, context.max_bytes);
  if (!out) return pass(out);
  auto indices = new_value(DType::i64, shape, context.max_bytes);
  if (!indices) return pass(indices);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    out->as<float>()[i] = static_cast<float>(number_at(scores, kept[i]));
    indices->as<std::int64_t>()[i] = kept[i];
  }
  Values result{std::move(out->value), std::move(indices->value)};
  if (!values) return result;
  auto picked = pick_rows(*values, kept, context.max_bytes);
  if (!picked) return pass(picked);
  result.push_back(*std::move(picked));
  return result;
}

Result<std::unique_ptr<Step>> make_filter(StepPlan& plan) {
  const Limits limits = read_limits(plan);
  std::int64_t max_rows = kMaxRows;
  plan.options.integer("max_rows", max_rows, 0, kMaxRows);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status numbers = check_numbers(plan); !numbers) return pass(numbers);
  const ValueType list{.dtype = DType::f32, .shape = Shape{-1}, .any_rank = false};
  std::vector<StepOutput> outputs{{"scores", list}, {"indices", like(list, DType::i64)}};
  const auto& values = plan.inputs[1].type;
  if (values) {
    ValueType type = *values;
    if (!type.any_rank && type.shape.rank() == 0) {
      return plan.options.wrong("inputs: 'values' has no rows");
    }
    if (!type.any_rank) type.shape = with_rows(type.shape, -1);
    outputs.push_back({"values", type});
  }
  const auto run = [limits, max_rows, picks = values.has_value()](std::span<const Value> in,
                                                                  const StepContext& context) {
    return filter(in[0], picks ? &in[1] : nullptr, limits, max_rows, context);
  };
  return make_step(std::move(outputs), run);
}

}  // namespace

std::span<const StepKind> number_steps() {
  static const std::vector<StepKind> kinds = {
      {.name = "softmax", .inputs = {{"values"}}, .make = make_softmax},
      {.name = "top_k", .inputs = {{"scores"}}, .make = make_top_k},
      {.name = "argmax", .inputs = {{"scores"}}, .make = make_argmax},
      {.name = "threshold", .inputs = {{"scores"}}, .make = make_threshold},
      {.name = "filter",
       .inputs = {{"scores"}, {.name = "values", .optional = true}},
       .make = make_filter}};
  return kinds;
}

}  // namespace millrace::serving
