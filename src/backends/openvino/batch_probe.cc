#include "backends/openvino/batch_probe.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <random>
#include <string>
#include <vector>

namespace millrace::backends {
namespace {

// Rows that were computed with others differ in the last bits, or by bf16's rounding where the
// machine computes in it; rows that mix differ in the first.
constexpr double kTolerance = 0.02;

bool has_batch_dimension(const ov::PartialShape& shape) {
  return shape.rank().is_static() && shape.size() > 0 && shape[0].is_dynamic();
}

// The outputs' axis 0 is what the inputs' is.
bool sizes_agree(const std::shared_ptr<ov::Model>& model) {
  for (const std::int64_t rows : {7, 11}) {  // unlikely to be met by chance
    const auto copy = model->clone();
    std::map<ov::Output<ov::Node>, ov::PartialShape> shapes;
    for (const auto& input : copy->inputs()) {
      ov::PartialShape shape = input.get_partial_shape();
      shape[0] = rows;
      shapes.emplace(input, std::move(shape));
    }
    copy->reshape(shapes);
    for (const auto& output : copy->outputs()) {
      const ov::PartialShape& shape = output.get_partial_shape();
      if (shape.rank().is_dynamic() || shape.size() == 0 || shape[0] != rows) return false;
    }
  }
  return true;
}

template <class T>
void fill_with(ov::Tensor& tensor, std::mt19937& random, double low, double high) {
  std::uniform_real_distribution<double> values(low, high);
  auto* data = static_cast<T*>(tensor.data());
  for (std::size_t i = 0; i < tensor.get_size(); ++i) data[i] = static_cast<T>(values(random));
}

// Floats in [-1, 1]; integers are 0 or 1, which are indices of almost anything.
bool fill(ov::Tensor& tensor, std::mt19937& random) {
  switch (tensor.get_element_type()) {
    case ov::element::Type_t::f32:
      fill_with<float>(tensor, random, -1, 1);
      return true;
    case ov::element::Type_t::f64:
      fill_with<double>(tensor, random, -1, 1);
      return true;
    case ov::element::Type_t::f16:
      fill_with<ov::float16>(tensor, random, -1, 1);
      return true;
    case ov::element::Type_t::bf16:
      fill_with<ov::bfloat16>(tensor, random, -1, 1);
      return true;
    case ov::element::Type_t::boolean:
    case ov::element::Type_t::i8:
    case ov::element::Type_t::u8:
      fill_with<std::int8_t>(tensor, random, 0, 2);
      return true;
    case ov::element::Type_t::i16:
    case ov::element::Type_t::u16:
      fill_with<std::int16_t>(tensor, random, 0, 2);
      return true;
    case ov::element::Type_t::i32:
    case ov::element::Type_t::u32:
      fill_with<std::int32_t>(tensor, random, 0, 2);
      return true;
    case ov::element::Type_t::i64:
    case ov::element::Type_t::u64:
      fill_with<std::int64_t>(tensor, random, 0, 2);
      return true;
    default:
      return false;
  }
}

double number_at(const ov::Tensor& tensor, std::size_t i) {
  switch (tensor.get_element_type()) {
    case ov::element::Type_t::f32:
      return static_cast<const float*>(tensor.data())[i];
    case ov::element::Type_t::f64:
      return static_cast<const double*>(tensor.data())[i];
    case ov::element::Type_t::f16:
      return static_cast<const ov::float16*>(tensor.data())[i];
    case ov::element::Type_t::bf16:
      return static_cast<const ov::bfloat16*>(tensor.data())[i];
    default:
      return 0;
  }
}

// Row `row` of `together` against `alone`, which has one row.
bool same_row(const ov::Tensor& together, std::size_t row, const ov::Tensor& alone) {
  ov::Shape expected = together.get_shape();
  expected[0] = 1;
  if (alone.get_shape() != expected) return false;
  if (!alone.get_element_type().is_real()) {
    const std::size_t bytes = alone.get_byte_size();
    return std::memcmp(static_cast<const char*>(together.data()) + row * bytes, alone.data(),
                       bytes) == 0;
  }
  double largest = 0, difference = 0;
  const std::size_t n = alone.get_size();
  for (std::size_t i = 0; i < n; ++i) {
    const double a = number_at(alone, i), b = number_at(together, row * n + i);
    if (std::isfinite(a) != std::isfinite(b)) return false;
    if (!std::isfinite(a)) continue;
    largest = std::max(largest, std::abs(a));
    difference = std::max(difference, std::abs(a - b));
  }
  return difference <= kTolerance * largest + 1e-6;
}

std::vector<ov::Tensor> run(ov::InferRequest& request, const std::vector<ov::Tensor>& inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) request.set_input_tensor(i, inputs[i]);
  request.infer();
  std::vector<ov::Tensor> outputs;
  for (std::size_t i = 0; i < request.get_compiled_model().outputs().size(); ++i) {
    const ov::Tensor result = request.get_output_tensor(i);
    ov::Tensor kept(result.get_element_type(), result.get_shape());
    result.copy_to(kept);
    outputs.push_back(std::move(kept));
  }
  return outputs;
}

// Two rows together, then each alone; other open dimensions are `size`.
bool rows_are_independent(ov::CompiledModel& compiled, std::size_t size) {
  std::mt19937 random(1);
  std::vector<ov::Tensor> both;
  for (const auto& input : compiled.inputs()) {
    ov::Shape shape;
    for (const ov::Dimension& dim : input.get_partial_shape()) {
      shape.push_back(dim.is_static() ? static_cast<std::size_t>(dim.get_length()) : size);
    }
    shape[0] = 2;
    both.emplace_back(input.get_element_type(), shape);
    if (!fill(both.back(), random)) return false;
  }
  ov::InferRequest request = compiled.create_infer_request();
  const auto together = run(request, both);
  for (std::size_t row = 0; row < 2; ++row) {
    std::vector<ov::Tensor> one;
    for (const ov::Tensor& tensor : both) {
      ov::Shape shape = tensor.get_shape();
      shape[0] = 1;
      one.emplace_back(tensor.get_element_type(), shape);
      const std::size_t bytes = one.back().get_byte_size();
      std::memcpy(one.back().data(), static_cast<const char*>(tensor.data()) + row * bytes, bytes);
    }
    const auto alone = run(request, one);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      if (together[i].get_shape().empty() || together[i].get_shape()[0] != 2) return false;
      if (!same_row(together[i], row, alone[i])) return false;
    }
  }
  return true;
}

}  // namespace

bool axis_0_is_batch(const std::shared_ptr<ov::Model>& model, ov::CompiledModel& compiled) {
  const auto open = [](const auto& port) { return has_batch_dimension(port.get_partial_shape()); };
  if (model->inputs().empty() || model->outputs().empty()) return false;
  if (!std::ranges::all_of(model->inputs(), open)) return false;
  try {
    if (!sizes_agree(model)) return false;
  } catch (const std::exception&) {
    return false;
  }
  const bool others_open = std::ranges::any_of(compiled.inputs(), [](const auto& input) {
    const ov::PartialShape& shape = input.get_partial_shape();
    return std::any_of(shape.begin() + 1, shape.end(),
                       [](const auto& d) { return d.is_dynamic(); });
  });
  for (const std::size_t size : {16, 64, 224}) {
    try {
      return rows_are_independent(compiled, size);
    } catch (const std::exception&) {
      if (!others_open) return false;  // else: perhaps the model wants larger ones
    }
  }
  return false;
}

}  // namespace millrace::backends
