#include "serving/pipeline/shape_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "serving/pipeline/function_step.h"
#include "serving/pipeline/values.h"
#include "serving/tensor_checks.h"

namespace millrace::serving {
namespace {

using Values = std::vector<Value>;
constexpr std::int64_t kMaxDim = std::int64_t{1} << 40;

Status check_one_dtype(const StepPlan& plan) {
  const DType first = plan.inputs[0].type->dtype;
  for (const StepInput& input : plan.inputs) {
    if (input.type->dtype == first) continue;
    return plan.options.wrong(fmt::format("inputs: {} is {}, but {} is {}; cast one of them",
                                          input.name, to_string(*input.type), plan.inputs[0].name,
                                          to_string(*plan.inputs[0].type)));
  }
  return {};
}

// Sizes that both have; -1 where they differ or one is open.
ValueType common_type(const ValueType& a, const ValueType& b) {
  if (a.any_rank || b.any_rank || a.shape.rank() != b.shape.rank()) return {.dtype = a.dtype};
  std::vector<std::int64_t> dims;
  for (int i = 0; i < a.shape.rank(); ++i) {
    dims.push_back(a.shape[i] == b.shape[i] ? a.shape[i] : -1);
  }
  return {.dtype = a.dtype, .shape = Shape(dims), .any_rank = false};
}

// --- concat, stack ---

// Along `axis`, the values lie as `outer` pieces each; their other sizes are equal.
Result<Value> concat(std::span<const Value> in, int axis, std::int64_t max_bytes) {
  const Shape& first = in[0].shape;
  std::vector<std::int64_t> dims(first.dims().begin(), first.dims().end());
  const auto along = static_cast<std::size_t>(axis);
  if (along >= dims.size()) {
    return invalid(fmt::format("there is no axis {} in a value of {} axes", axis, dims.size()));
  }
  std::int64_t total = 0;
  for (const Value& value : in) {
    std::vector<std::int64_t> other(value.shape.dims().begin(), value.shape.dims().end());
    bool alike = other.size() == dims.size();
    if (alike) {
      alike = !__builtin_add_overflow(total, other[along], &total);
      other[along] = dims[along];
    }
    if (!alike || other != dims) {
      return invalid(fmt::format("shapes {} and {} differ beside axis {}", to_string(first.dims()),
                                 to_string(value.shape.dims()), axis));
    }
  }
  if (axis == 0) return join_rows(in, max_bytes);
  if (in[0].dtype == DType::bytes) return invalid("strings are put together along axis 0 only");
  dims[along] = total;
  auto made = new_value(in[0].dtype, Shape(dims), max_bytes);
  if (!made) return pass(made);
  std::size_t outer = 1;
  for (std::size_t i = 0; i < along; ++i) outer *= static_cast<std::size_t>(dims[i]);
  if (outer == 0) return std::move(made->value);
  std::byte* to = made->bytes;
  for (std::size_t o = 0; o < outer; ++o) {
    for (const Value& value : in) {
      const std::size_t piece = value.data.size() / outer;
      if (piece > 0) std::memcpy(to, value.data.data() + o * piece, piece);
      to += piece;
    }
  }
  return std::move(made->value);
}

Result<std::unique_ptr<Step>> make_concat(StepPlan& plan) {
  std::int64_t axis = 0;
  plan.options.integer("axis", axis, 0, kMaxRank - 1);
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status one = check_one_dtype(plan); !one) return pass(one);
  ValueType type = *plan.inputs[0].type;
  for (const StepInput& input : plan.inputs) {
    const ValueType& other = *input.type;
    if (!other.any_rank && other.shape.rank() <= axis) {
      return plan.options.wrong(fmt::format("axis: {} has no axis {}", input.name, axis));
    }
    if (!type.any_rank && !other.any_rank && type.shape.rank() != other.shape.rank()) {
      return plan.options.wrong(fmt::format("inputs: {} is {}, but {} is {}", input.name,
                                            to_string(other), plan.inputs[0].name,
                                            to_string(*plan.inputs[0].type)));
    }
    type = common_type(type, other);
  }
  if (!type.any_rank) {
    std::vector<std::int64_t> dims(type.shape.dims().begin(), type.shape.dims().end());
    dims[static_cast<std::size_t>(axis)] = -1;
    type.shape = Shape(dims);
  }
  const auto run = [axis](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    auto joined = concat(in, static_cast<int>(axis), context.max_bytes);
    if (!joined) return pass(joined);
    return Values{*std::move(joined)};
  };
  return make_step({{"values", type}}, run);
}

Result<std::unique_ptr<Step>> make_stack(StepPlan& plan) {
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status one = check_one_dtype(plan); !one) return pass(one);
  ValueType type = *plan.inputs[0].type;
  for (const StepInput& input : plan.inputs) type = common_type(type, *input.type);
  if (!type.any_rank) {
    if (type.shape.rank() == kMaxRank) return plan.options.wrong("inputs: no axis can be added");
    std::vector<std::int64_t> dims{static_cast<std::int64_t>(plan.inputs.size())};
    dims.insert(dims.end(), type.shape.dims().begin(), type.shape.dims().end());
    type.shape = Shape(dims);
  }
  const auto run = [](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    Values rows(in.begin(), in.end());
    for (Value& row : rows) {
      if (row.shape.rank() == kMaxRank) return invalid("no axis can be added");
      std::vector<std::int64_t> dims{1};
      dims.insert(dims.end(), row.shape.dims().begin(), row.shape.dims().end());
      row.shape = Shape(dims);
    }
    auto joined = concat(rows, 0, context.max_bytes);
    if (!joined) return pass(joined);
    return Values{*std::move(joined)};
  };
  return make_step({{"values", type}}, run);
}

// --- reshape, cast ---

// `dims` with its -1 replaced.
Result<Shape> reshaped(std::vector<std::int64_t> dims, std::int64_t elements) {
  std::int64_t known = 1;
  std::int64_t* open = nullptr;
  for (std::int64_t& dim : dims) {
    if (dim < 0) {
      open = &dim;
    } else if (__builtin_mul_overflow(known, dim, &known)) {
      return invalid("the shape has too many elements");
    }
  }
  if (open && known > 0) *open = elements / known;
  if (open && known == 0) *open = 0;
  const std::int64_t all = open ? known * *open : known;
  if (all == elements) return Shape(dims);
  return invalid(fmt::format("{} elements do not make a value of shape {}", elements,
                             to_string(std::span<const std::int64_t>(dims))));
}

Result<std::unique_ptr<Step>> make_reshape(StepPlan& plan) {
  std::vector<std::int64_t> dims;
  plan.options.integers("shape", dims, -1, kMaxDim);
  if (!plan.options.has("shape")) plan.options.refuse("shape", "is missing");
  if (dims.size() > static_cast<std::size_t>(kMaxRank)) {
    plan.options.refuse("shape", fmt::format("at most {} sizes", kMaxRank));
  }
  if (std::ranges::count(dims, -1) > 1) plan.options.refuse("shape", "at most one size may be -1");
  if (Status done = plan.options.finish(); !done) return pass(done);
  const ValueType type{
      .dtype = plan.inputs[0].type->dtype, .shape = Shape(dims), .any_rank = false};
  const auto run = [dims](std::span<const Value> in, const StepContext&) -> Result<Values> {
    const auto shape = reshaped(dims, in[0].shape.num_elements());
    if (!shape) return std::unexpected(shape.error());
    Value same = in[0];
    same.shape = *shape;
    return Values{std::move(same)};
  };
  return make_step({{"values", type}}, run);
}

Result<std::unique_ptr<Step>> make_cast(StepPlan& plan) {
  std::string name;
  plan.options.text("dtype", name);
  const auto dtype = dtype_from_name(name);
  if (!dtype || !is_number(*dtype)) {
    plan.options.refuse("dtype",
                        "must be BOOL, UINT8 to UINT64, INT8 to INT64, FP16, BF16, FP32 "
                        "or FP64");
  }
  if (Status done = plan.options.finish(); !done) return pass(done);
  ValueType type = *plan.inputs[0].type;
  if (!is_number(type.dtype)) return plan.options.wrong("inputs: strings cannot be cast");
  type.dtype = *dtype;
  const auto run = [to = *dtype](std::span<const Value> in,
                                 const StepContext& context) -> Result<Values> {
    if (in[0].dtype == to) return Values{in[0]};
    auto made = new_value(to, in[0].shape, context.max_bytes);
    if (!made) return pass(made);
    const std::int64_t count = in[0].shape.num_elements();
    for (std::int64_t i = 0; i < count; ++i) {
      store_number(to, made->bytes, i, number_at(in[0], i));
    }
    return Values{std::move(made->value)};
  };
  return make_step({{"values", type}}, run);
}

// --- gather, choose, constant ---

Result<std::unique_ptr<Step>> make_gather(StepPlan& plan) {
  if (Status done = plan.options.finish(); !done) return pass(done);
  const DType index = plan.inputs[1].type->dtype;
  if (!is_number(index) || is_float(index) || index == DType::boolean) {
    return plan.options.wrong("inputs: 'indices' must be whole numbers");
  }
  ValueType type = *plan.inputs[0].type;
  if (!type.any_rank && type.shape.rank() == 0) {
    return plan.options.wrong("inputs: 'values' has no rows");
  }
  if (!type.any_rank) type.shape = with_rows(type.shape, -1);
  const auto run = [](std::span<const Value> in, const StepContext& context) -> Result<Values> {
    const std::int64_t count = in[1].shape.num_elements();
    if (count * static_cast<std::int64_t>(sizeof(std::int64_t)) > context.max_bytes) {
      return fail(ErrorKind::too_large, "there are too many indices");
    }
    std::vector<std::int64_t> rows;
    for (std::int64_t i = 0; i < count; ++i) rows.push_back(integer_at(in[1], i));
    auto picked = pick_rows(in[0], rows, context.max_bytes);
    if (!picked) return pass(picked);
    return Values{*std::move(picked)};
  };
  return make_step({{"values", type}}, run);
}

Result<std::unique_ptr<Step>> make_choose(StepPlan& plan) {
  if (Status done = plan.options.finish(); !done) return pass(done);
  if (Status one = check_one_dtype(plan); !one) return pass(one);
  ValueType type = *plan.inputs[0].type;
  for (const StepInput& input : plan.inputs) type = common_type(type, *input.type);
  const auto run = [](std::span<const Value> in, const StepContext&) -> Result<Values> {
    const auto first = std::ranges::find_if(in, [](const Value& v) { return num_rows(v) > 0; });
    return Values{first == in.end() ? in.back() : *first};
  };
  return make_step({{"values", type}}, run);
}

Result<std::unique_ptr<Step>> make_constant(StepPlan& plan) {
  std::string name = "FP32";
  std::vector<std::int64_t> dims;
  plan.options.text("dtype", name);
  plan.options.integers("shape", dims, 0, kMaxDim);
  const auto dtype = dtype_from_name(name);
  if (!dtype) plan.options.refuse("dtype", "is no element type");
  std::vector<double> numbers;
  std::vector<std::string> texts;
  const bool is_text = dtype == DType::bytes;
  if (is_text) {
    plan.options.texts("values", texts);
  } else {
    plan.options.numbers("values", numbers);
  }
  const auto count = static_cast<std::int64_t>(is_text ? texts.size() : numbers.size());
  if (!plan.options.has("values")) plan.options.refuse("values", "is missing");
  if (!plan.options.has("shape")) dims = {count};
  if (dims.size() > static_cast<std::size_t>(kMaxRank)) {
    plan.options.refuse("shape", fmt::format("at most {} sizes", kMaxRank));
  }
  if (Status done = plan.options.finish(); !done) return pass(done);
  const auto shape = reshaped(dims, count);
  if (!shape) return plan.options.wrong("values: " + shape.error().message);
  Value value;
  if (is_text) {
    std::string bytes;
    for (const std::string& text : texts) append_string(bytes, text);
    value = value_of(DType::bytes, *shape, std::move(bytes));
  } else {
    std::string bytes(static_cast<std::size_t>(*bytes_of(*dtype, *shape)), '\0');
    for (std::int64_t i = 0; i < count; ++i) {
      store_number(*dtype, reinterpret_cast<std::byte*>(bytes.data()), i,
                   numbers[static_cast<std::size_t>(i)]);
    }
    value = value_of(*dtype, *shape, std::move(bytes));
  }
  const ValueType type{.dtype = *dtype, .shape = *shape, .any_rank = false};
  const auto run = [value](std::span<const Value>, const StepContext&) -> Result<Values> {
    return Values{value};
  };
  return make_step({{"values", type}}, run);
}

}  // namespace

std::span<const StepKind> shape_steps() {
  static const std::vector<StepKind> kinds = {
      {.name = "concat", .inputs = {}, .any_inputs = true, .make = make_concat},
      {.name = "stack", .inputs = {}, .any_inputs = true, .make = make_stack},
      {.name = "reshape", .inputs = {{"values"}}, .make = make_reshape},
      {.name = "cast", .inputs = {{"values"}}, .make = make_cast},
      {.name = "gather", .inputs = {{"values"}, {"indices"}}, .make = make_gather},
      {.name = "choose", .inputs = {}, .any_inputs = true, .make = make_choose},
      {.name = "constant", .inputs = {}, .make = make_constant}};
  return kinds;
}

}  // namespace millrace::serving
