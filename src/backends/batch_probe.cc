#include "backends/batch_probe.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <future>
#include <random>
#include <utility>

#include "tensor/half.h"

namespace millrace::backends {
namespace {

// Rows that were computed with others differ in the last bits, or by bf16's rounding where the
// machine computes in it; rows that mix differ in the first.
constexpr double kTolerance = 0.02;

// A model that is tried out must not be asked for more memory than a request could bring.
constexpr std::int64_t kMaxMadeUpBytes = std::int64_t{256} << 20;

template <class T>
void append(std::vector<std::byte>& out, T value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

// The nearest above zero of binary16, for |value| <= 1 that is not very small.
std::uint16_t f16_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const int exponent = static_cast<int>(bits >> 23 & 0xff) - 127 + 15;
  if (exponent <= 0) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(exponent) << 10 |
                                    (bits >> 13 & 0x3ffu));
}

bool append_made_up(std::vector<std::byte>& out, DType dtype, std::mt19937& random) {
  std::uniform_real_distribution<float> values(-1, 1);
  const auto bit = static_cast<std::uint8_t>(random() & 1u);
  switch (dtype) {
    case DType::f32:
      append(out, values(random));
      return true;
    case DType::f64:
      append(out, static_cast<double>(values(random)));
      return true;
    case DType::f16:
      append(out, f16_of(values(random)));
      return true;
    case DType::bf16:
      append(out, static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values(random)) >> 16));
      return true;
    case DType::boolean:
    case DType::i8:
    case DType::u8:
      append(out, bit);
      return true;
    case DType::i16:
    case DType::u16:
      append(out, std::uint16_t{bit});
      return true;
    case DType::i32:
    case DType::u32:
      append(out, std::uint32_t{bit});
      return true;
    case DType::i64:
    case DType::u64:
      append(out, std::uint64_t{bit});
      return true;
    default:
      return false;
  }
}

double number_at(DType dtype, std::span<const std::byte> data, std::size_t i) {
  const auto read = [&]<class T>(T value) {
    std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
    return value;
  };
  switch (dtype) {
    case DType::f32:
      return static_cast<double>(read(float{}));
    case DType::f64:
      return read(double{});
    case DType::f16:
      return static_cast<double>(f32_from_f16(read(std::uint16_t{})));
    default:
      return static_cast<double>(f32_from_bf16(read(std::uint16_t{})));
  }
}

bool is_real(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

// Row `row` of `together` against `alone`, which has one row.
bool same_row(DType dtype, const OutputTensor& together, std::int64_t row,
              const OutputTensor& alone) {
  const auto rest = [](const Shape& shape) { return shape.dims().subspan(1); };
  if (together.shape.rank() == 0 || alone.shape.rank() == 0 || alone.shape[0] != 1 ||
      !std::ranges::equal(rest(together.shape), rest(alone.shape))) {
    return false;
  }
  const std::size_t bytes = alone.data.size();
  const auto ours = together.data.subspan(static_cast<std::size_t>(row) * bytes, bytes);
  if (!is_real(dtype)) return std::ranges::equal(ours, alone.data);
  double largest = 0, difference = 0;
  const std::size_t n = bytes / dtype_block_bytes(dtype);
  for (std::size_t i = 0; i < n; ++i) {
    const double a = number_at(dtype, alone.data, i), b = number_at(dtype, ours, i);
    if (std::isfinite(a) != std::isfinite(b)) return false;
    if (!std::isfinite(a)) continue;
    largest = std::max(largest, std::abs(a));
    difference = std::max(difference, std::abs(a - b));
  }
  return difference <= kTolerance * largest + 1e-6;
}

Result<TensorResult> run(TensorModel& model, TensorBatch batch) {
  std::promise<Result<TensorResult>> promise;
  auto future = promise.get_future();
  model.infer(std::move(batch),
              [&](Result<TensorResult> result) { promise.set_value(std::move(result)); });
  return future.get();
}

// Row `row` of made-up inputs of two rows.
MadeUpInputs row_of(const MadeUpInputs& both, std::size_t row) {
  MadeUpInputs one;
  for (std::size_t i = 0; i < both.shapes.size(); ++i) {
    std::vector<std::int64_t> dims(both.shapes[i].dims().begin(), both.shapes[i].dims().end());
    dims[0] = 1;
    one.shapes.emplace_back(dims);
    const auto half = static_cast<std::ptrdiff_t>(both.values[i].size() / 2);
    const auto begin = both.values[i].begin() + (row == 0 ? 0 : half);
    one.values.emplace_back(begin, begin + half);
  }
  return one;
}

// Empty where the model cannot be run on these sizes.
std::optional<bool> rows_agree(TensorModel& model, const MadeUpInputs& both,
                               std::span<const TensorSpec> outputs) {
  const auto together = run(model, both.batch());
  if (!together) return std::nullopt;
  for (std::size_t row = 0; row < 2; ++row) {
    const MadeUpInputs one = row_of(both, row);
    const auto alone = run(model, one.batch());
    if (!alone) return std::nullopt;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const OutputTensor& whole = together->outputs[i];
      if (whole.shape.rank() == 0 || whole.shape[0] != 2) return false;
      if (!same_row(outputs[i].dtype, whole, static_cast<std::int64_t>(row), alone->outputs[i])) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

TensorBatch MadeUpInputs::batch() const {
  TensorBatch made;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    made.inputs.push_back({.shape = shapes[i], .parts = {values[i]}});
  }
  return made;
}

std::optional<MadeUpInputs> make_up_inputs(std::span<const TensorSpec> inputs, std::int64_t rows,
                                           std::int64_t size) {
  std::mt19937 random(1);
  MadeUpInputs made;
  for (const TensorSpec& spec : inputs) {
    if (spec.any_rank) return std::nullopt;
    std::vector<std::int64_t> dims(spec.shape.dims().begin(), spec.shape.dims().end());
    std::int64_t elements = 1;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      if (dims[i] < 0) dims[i] = i == 0 ? rows : size;
      if (__builtin_mul_overflow(elements, dims[i], &elements)) return std::nullopt;
    }
    if (elements > kMaxMadeUpBytes / 8) return std::nullopt;
    made.shapes.emplace_back(dims);
    std::vector<std::byte>& values = made.values.emplace_back();
    for (std::int64_t i = 0; i < elements; ++i) {
      if (!append_made_up(values, spec.dtype, random)) return std::nullopt;
    }
  }
  return made;
}

bool rows_are_independent(TensorModel& model, std::span<const TensorSpec> inputs,
                          std::span<const TensorSpec> outputs) {
  const auto open = [](const TensorSpec& spec) {
    return !spec.any_rank && spec.shape.rank() > 0 && spec.shape[0] < 0;
  };
  if (inputs.empty() || outputs.empty()) return false;
  if (!std::ranges::all_of(inputs, open)) return false;
  const bool others_open = std::ranges::any_of(inputs, [](const TensorSpec& spec) {
    return std::ranges::any_of(spec.shape.dims().subspan(1), [](auto dim) { return dim < 0; });
  });
  for (const std::int64_t size : kMadeUpSizes) {
    const auto both = make_up_inputs(inputs, 2, size);
    if (!both) return false;
    if (const auto agree = rows_agree(model, *both, outputs)) return *agree;
    if (!others_open) return false;  // else: perhaps the model wants larger ones
  }
  return false;
}

}  // namespace millrace::backends
