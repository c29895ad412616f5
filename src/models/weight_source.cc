#include "models/weight_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "tensor/half.h"

namespace millrace::models {
namespace {

bool is_weight_kind(DType type) {
  switch (type) {
    case DType::f32:
    case DType::f16:
    case DType::bf16:
    case DType::q4_0:
    case DType::q4_1:
    case DType::q5_0:
    case DType::q5_1:
    case DType::q8_0:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
    case DType::i8:
    case DType::q4_g64:
    case DType::q4_g128:
      return true;
    default:
      return false;
  }
}

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.dims(), ", "));
}

int rows_of(const LinearSpec& spec) {
  const int total = spec.total_rows == 0 ? spec.n : spec.total_rows;
  MILLRACE_CHECK(spec.first_row >= 0 && spec.first_row + spec.n <= total);
  return total;
}

void round_to_f16(const float* from, std::size_t count, void* to) {
  auto* out = static_cast<std::byte*>(to);
  for (std::size_t i = 0; i < count; ++i) {
    const float x = std::clamp(from[i], -65504.0f, 65504.0f);
    const std::uint16_t half = f16_from_f32(x);
    std::memcpy(out + i * sizeof half, &half, sizeof half);
  }
}

}  // namespace

WeightSource::WeightSource(const weights::WeightFile& file, kernels::Ops& ops,
                           std::function<void(double)> progress, Quantization quantization)
    : file_(file), ops_(ops), progress_(std::move(progress)), quantization_(quantization) {}

void WeightSource::fail_load(const std::string& message) {
  if (status_) status_ = invalid(message, {}, "invalid_model");
}

bool WeightSource::holds(DType kind, int n, int k) const {
  return ops_.table.packed_bytes(kind, n, k) != 0;
}

void WeightSource::count(const TensorView& view, std::int64_t elements, std::size_t bytes) {
  num_parameters_ += elements;
  packed_bytes_ += static_cast<std::int64_t>(bytes);
  source_bytes_ += static_cast<double>(view.num_bytes()) * static_cast<double>(elements) /
                   static_cast<double>(std::max<std::int64_t>(1, view.shape.num_elements()));
  const auto total = static_cast<double>(file_.num_bytes());
  if (progress_ && total > 0) progress_(std::min(1.0, source_bytes_ / total));
}

const TensorView* WeightSource::find_matrix(const std::string& tensor, std::int64_t rows,
                                            std::int64_t columns) {
  if (!status_) return nullptr;
  const TensorView* view = file_.find(tensor);
  if (!view) {
    fail_load(fmt::format("tensor {} is missing", tensor));
    return nullptr;
  }
  const Shape expected{rows, columns};
  if (view->shape != expected) {
    fail_load(fmt::format("tensor {} is {}, expected {}", tensor, shape_text(view->shape),
                          shape_text(expected)));
    return nullptr;
  }
  const bool whole_blocks =
      is_weight_kind(view->dtype) &&
      columns % static_cast<std::int64_t>(dtype_block_elements(view->dtype)) == 0;
  if (!whole_blocks) {
    fail_load(fmt::format("tensor {} has type {}, which weights of this shape cannot have", tensor,
                          dtype_name(view->dtype)));
    return nullptr;
  }
  return view;
}

std::vector<float> WeightSource::values(const std::string& tensor, int total, int first,
                                        int count_wanted) {
  std::vector<float> out = read_values(tensor, total, first, count_wanted);
  if (!out.empty()) count(*file_.find(tensor), count_wanted, out.size() * sizeof(float));
  return out;
}

std::vector<float> WeightSource::read_values(const std::string& tensor, int total, int first,
                                             int count_wanted) {
  if (!status_) return {};
  const TensorView* view = file_.find(tensor);
  if (!view) {
    fail_load(fmt::format("tensor {} is missing", tensor));
    return {};
  }
  if (view->shape != Shape{total}) {
    fail_load(
        fmt::format("tensor {} is {}, expected [{}]", tensor, shape_text(view->shape), total));
    return {};
  }
  if (!is_plain_float(view->dtype)) {
    fail_load(fmt::format("tensor {} has type {}, expected f32, f16 or bf16", tensor,
                          dtype_name(view->dtype)));
    return {};
  }
  std::vector<float> out(static_cast<std::size_t>(count_wanted));
  weights::dequantise(*view, first, count_wanted, out.data());
  if (!std::all_of(out.begin(), out.end(), [](float x) { return std::isfinite(x); })) {
    fail_load(fmt::format("tensor {} holds a value that is not finite", tensor));
    return {};
  }
  return out;
}

kernels::Weight WeightSource::pack(const TensorView& view, const LinearSpec& spec, bool own_kind) {
  std::vector<float> scales;
  if (view.dtype == DType::i8) {
    scales = read_values(spec.name + kScaleSuffix, rows_of(spec), spec.first_row, spec.n);
  }
  check_groups(view, spec.name);
  if (!status_) return {};
  if (!own_kind || !holds(view.dtype, spec.n, spec.k)) return pack_rounded(view, spec, scales);
  const std::int64_t columns = view.shape[1];
  const std::size_t stride = row_bytes(view.dtype, columns);
  const std::size_t offset = spec.transposed ? row_bytes(view.dtype, spec.first_row)
                                             : stride * static_cast<std::size_t>(spec.first_row);
  return packed_weight({.kind = view.dtype,
                        .n = spec.n,
                        .k = spec.k,
                        .source = static_cast<const std::byte*>(view.data) + offset,
                        .scales = scales.empty() ? nullptr : scales.data(),
                        .source_row_bytes = static_cast<std::int64_t>(stride),
                        .transposed = spec.transposed,
                        .first_row = 0,
                        .num_rows = spec.n});
}

// Scales and minimums of our own groups, in the rows of all of the view, are finite.
void WeightSource::check_groups(const TensorView& view, const std::string& name) {
  if (view.dtype != DType::q4_g64 && view.dtype != DType::q4_g128) return;
  const std::size_t block = dtype_block_bytes(view.dtype);
  const auto* bytes = static_cast<const std::byte*>(view.data);
  for (std::size_t at = 0; at < view.num_bytes(); at += block) {
    std::uint16_t pair[2];
    std::memcpy(pair, bytes + at, sizeof pair);
    if (std::isfinite(f32_from_f16(pair[0])) && std::isfinite(f32_from_f16(pair[1]))) continue;
    fail_load(fmt::format("tensor {}.weight holds a scale that is not finite", name));
    return;
  }
}

kernels::Weight WeightSource::pack_rounded(const TensorView& view, const LinearSpec& spec,
                                           const std::vector<float>& scales) {
  DType kind = ops_.exec.precision() == Precision::exact ? DType::f32 : DType::f16;
  if (!holds(kind, spec.n, spec.k)) kind = DType::f32;
  if (!holds(kind, spec.n, spec.k)) {
    fail_load(
        fmt::format("tensor {}.weight: the {} kernels cannot hold type {} with shape [{}, {}]",
                    spec.name, ops_.table.name, dtype_name(view.dtype), spec.n, spec.k));
    return {};
  }
  // In the file's own orientation: rows first … last, columns first … last of the slice.
  const std::int64_t width = view.shape[1];
  const std::int64_t rows = spec.transposed ? spec.k : spec.n;
  const std::int64_t columns = spec.transposed ? spec.n : spec.k;
  const std::int64_t first_row = spec.transposed ? 0 : spec.first_row;
  const std::int64_t first_column = spec.transposed ? spec.first_row : 0;
  const std::size_t stride = row_bytes(kind, columns);
  Buffer rounded(stride * static_cast<std::size_t>(rows));
  std::vector<float> row(static_cast<std::size_t>(width));
  for (std::int64_t r = 0; r < rows; ++r) {
    weights::dequantise(view, (first_row + r) * width, width, row.data());
    std::byte* out = rounded.data() + static_cast<std::size_t>(r) * stride;
    float* values = row.data() + first_column;
    if (!scales.empty()) {
      for (std::int64_t c = 0; c < columns; ++c) values[c] *= scales[static_cast<std::size_t>(r)];
    }
    if (kind == DType::f32) std::memcpy(out, values, stride);
    if (kind == DType::f16) round_to_f16(values, static_cast<std::size_t>(columns), out);
  }
  return packed_weight({.kind = kind,
                        .n = spec.n,
                        .k = spec.k,
                        .source = rounded.data(),
                        .scales = nullptr,
                        .source_row_bytes = static_cast<std::int64_t>(stride),
                        .transposed = spec.transposed,
                        .first_row = 0,
                        .num_rows = spec.n});
}

// Rows [first_row, first_row + n) of a matrix of floats that the file holds as [n, k] …
std::vector<float> WeightSource::straight_rows(const TensorView& view, const LinearSpec& spec) {
  std::vector<float> rows(static_cast<std::size_t>(spec.n) * static_cast<std::size_t>(spec.k));
  const std::int64_t width = spec.k;
  if (!finite_values(view, spec.name, spec.first_row * width, spec.n * width, rows.data()))
    return {};
  return rows;
}

// … and of one that it holds as [k, n].
std::vector<float> WeightSource::turned_rows(const TensorView& view, const LinearSpec& spec) {
  const auto n = static_cast<std::size_t>(spec.n), k = static_cast<std::size_t>(spec.k);
  const std::int64_t width = view.shape[1];
  std::vector<float> line(static_cast<std::size_t>(width)), turned(n * k);
  for (std::size_t c = 0; c < k; ++c) {
    if (!finite_values(view, spec.name, static_cast<std::int64_t>(c) * width, width, line.data()))
      return {};
    for (std::size_t r = 0; r < n; ++r)
      turned[r * k + c] = line[static_cast<std::size_t>(spec.first_row) + r];
  }
  return turned;
}

// Values [first, first + count) of the view as f32; false, and the load fails, where one is not
// finite.
bool WeightSource::finite_values(const TensorView& view, const std::string& name,
                                 std::int64_t first, std::int64_t count, float* out) {
  weights::dequantise(view, first, count, out);
  if (std::all_of(out, out + count, [](float x) { return std::isfinite(x); })) return true;
  fail_load(fmt::format("tensor {}.weight holds a value that is not finite", name));
  return false;
}

std::vector<float> WeightSource::rows(const LinearSpec& spec) {
  const TensorView* view = spec.transposed
                               ? find_matrix(spec.name + ".weight", spec.k, rows_of(spec))
                               : find_matrix(spec.name + ".weight", rows_of(spec), spec.k);
  if (!view) return {};
  if (!is_plain_float(view->dtype)) {
    fail_load(fmt::format("tensor {}.weight has type {}, expected f32, f16 or bf16", spec.name,
                          dtype_name(view->dtype)));
    return {};
  }
  return spec.transposed ? turned_rows(*view, spec) : straight_rows(*view, spec);
}

kernels::Weight WeightSource::pack_quantised(const TensorView& view, const LinearSpec& spec,
                                             DType kind) {
  const auto n = static_cast<std::size_t>(spec.n), k = static_cast<std::size_t>(spec.k);
  const std::int64_t width = view.shape[1];
  const std::size_t stride = row_bytes(kind, spec.k);
  Buffer rows(stride * n);
  std::vector<float> scales(n);
  if (spec.transposed) {
    const std::vector<float> turned = turned_rows(view, spec);
    if (turned.empty()) return {};
    quantise_rows(kind, turned.data(), spec.n, spec.k, rows.data(), scales.data());
  } else {
    constexpr int kAtOnce = 256;
    std::vector<float> values(std::min<std::size_t>(kAtOnce, n) * k);
    for (int r = 0; r < spec.n; r += kAtOnce) {
      const int count = std::min(kAtOnce, spec.n - r);
      if (!finite_values(view, spec.name, (std::int64_t{spec.first_row} + r) * width,
                         std::int64_t{count} * width, values.data()))
        return {};
      const auto at = static_cast<std::size_t>(r);
      quantise_rows(kind, values.data(), count, spec.k, rows.data() + at * stride,
                    scales.data() + at);
    }
  }
  has_quantised_ = true;
  return packed_weight({.kind = kind,
                        .n = spec.n,
                        .k = spec.k,
                        .source = rows.data(),
                        .scales = kind == DType::i8 ? scales.data() : nullptr,
                        .source_row_bytes = static_cast<std::int64_t>(stride),
                        .transposed = false,
                        .first_row = 0,
                        .num_rows = spec.n});
}

// On all threads.
void WeightSource::quantise_rows(DType kind, const float* values, int num_rows, int k,
                                 std::byte* out, float* scales) {
  struct Job {
    DType kind;
    const float* values;
    int num_rows, k;
    std::byte* out;
    float* scales;
  } job = {kind, values, num_rows, k, out, scales};
  constexpr int kRowsAPiece = 16;
  const ExecView& view = ops_.exec.view(0);
  view.parallel(
      view.pool, (num_rows + kRowsAPiece - 1) / kRowsAPiece,
      [](void* context, int piece, int) {
        const Job& j = *static_cast<Job*>(context);
        const std::size_t stride = row_bytes(j.kind, j.k);
        const int end = std::min(j.num_rows, (piece + 1) * kRowsAPiece);
        for (int r = piece * kRowsAPiece; r < end; ++r) {
          const auto row = static_cast<std::size_t>(r);
          j.scales[row] = quantise_row(j.kind, j.values + row * static_cast<std::size_t>(j.k), j.k,
                                       j.out + row * stride);
        }
      },
      &job);
}

Linear WeightSource::load_linear(LinearSpec spec, bool own_kind) {
  const int total = rows_of(spec);
  const TensorView* stored = file_.find(spec.name + ".weight");
  if (stored && !is_plain_float(stored->dtype)) spec.transposed = false;  // blocks lie along k
  const TensorView* view = spec.transposed ? find_matrix(spec.name + ".weight", spec.k, total)
                                           : find_matrix(spec.name + ".weight", total, spec.k);
  if (!view) return {};
  Linear linear;
  const bool smaller = quantises(quantization_, view->dtype);
  const DType kind = quantised_kind(quantization_, spec.k);
  linear.weight = smaller && holds(kind, spec.n, spec.k) ? pack_quantised(*view, spec, kind)
                                                         : pack(*view, spec, own_kind);
  if (linear.weight.empty()) return {};
  count(*view, std::int64_t{spec.n} * spec.k, linear.weight.packed().bytes);
  if (spec.first_row + spec.n == total) file_.release(*view);
  if (spec.bias) linear.bias = values(spec.name + ".bias", total, spec.first_row, spec.n);
  return linear;
}

Linear WeightSource::linear(const LinearSpec& spec) {
  return load_linear(spec, true);
}

std::vector<Linear> WeightSource::fused_linears(const std::vector<LinearSpec>& specs) {
  const TensorView* first = file_.find(specs.front().name + ".weight");
  bool one_kind = true;
  for (const LinearSpec& spec : specs) {
    const TensorView* view = file_.find(spec.name + ".weight");
    if (view && first && view->dtype != first->dtype) one_kind = false;
  }
  std::vector<Linear> linears;
  for (const LinearSpec& spec : specs) linears.push_back(load_linear(spec, one_kind));
  return linears;
}

kernels::Weight WeightSource::matrix(const std::string& name, int n, int k) {
  const bool is_narrow = quantization_ != Quantization::none && quantization_ != Quantization::bf16;
  return load_matrix(name, n, k, is_narrow ? Quantization::int8 : quantization_);
}

kernels::Weight WeightSource::table(const std::string& name, int n, int k) {
  return load_matrix(name, n, k, Quantization::none);
}

kernels::Weight WeightSource::load_matrix(const std::string& name, int n, int k,
                                          Quantization quantization) {
  const TensorView* view = find_matrix(name + ".weight", n, k);
  if (!view) return {};
  const LinearSpec spec{.name = name, .n = n, .k = k};
  const bool smaller = quantises(quantization, view->dtype);
  const DType kind = quantised_kind(quantization, k);
  kernels::Weight weight =
      smaller && holds(kind, n, k) ? pack_quantised(*view, spec, kind) : pack(*view, spec, true);
  if (weight.empty()) return {};
  count(*view, std::int64_t{n} * k, weight.packed().bytes);
  file_.release(*view);
  return weight;
}

Norm WeightSource::norm(const std::string& name, int width, bool bias) {
  Norm norm;
  norm.weight = values(name + ".weight", width, 0, width);
  if (bias) norm.bias = values(name + ".bias", width, 0, width);
  return norm;
}

}  // namespace millrace::models
