#include "api/tfserving/feature_column.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.h"

namespace millrace::api {
namespace {

// Negative where it is not known.
std::int64_t product_of(std::span<const std::int64_t> dims) {
  std::int64_t product = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 0 || __builtin_mul_overflow(product, dim, &product)) return -1;
  }
  return product;
}

}  // namespace

std::string FeatureColumn::label() const {
  return "input " + safe_name(spec_.name);
}

FeatureColumn::Dims FeatureColumn::fitted(std::span<const std::int64_t> dims) const {
  const auto want = spec_.shape.dims();
  const bool flat = dims.size() < 2;
  if (spec_.any_rank || want.empty() || !flat) return {dims.begin(), dims.end()};
  const auto inner = want.subspan(1);
  const std::int64_t given = product_of(dims);  // a value is a list of one
  if (product_of(inner) == given) return {inner.begin(), inner.end()};
  return {given};
}

Status FeatureColumn::same_as_others(Dims dims) {
  const bool one_value = product_of(dims) == 1 && product_of(dims_) == 1;
  if (num_rows_ == 0 || dims == dims_ || one_value) {
    // Of unknown rank: a value is a list of one where others are lists.
    if (num_rows_ == 0 || dims.size() > dims_.size()) dims_ = std::move(dims);
    return {};
  }
  return invalid(fmt::format("{}: each example must have the same number of values", label()),
                 spec_.name);
}

std::unexpected<Error> FeatureColumn::too_large() const {
  return fail(ErrorKind::too_large,
              fmt::format("{}: the examples take more than {} MiB as tensors", label(),
                          kMaxExampleBytes >> 20),
              spec_.name);
}

Status FeatureColumn::append(std::span<const std::byte> values) {
  if (values.size() > bytes_left_) return too_large();
  bytes_left_ -= values.size();
  data_.insert(data_.end(), values.begin(), values.end());
  return {};
}

Status FeatureColumn::add(std::span<const std::int64_t> dims, std::span<const std::byte> values) {
  if (any_length()) {
    lengths_.push_back(product_of(dims));
    if (Status fits = append(values); !fits) return fits;
    row_ends_.push_back(data_.size());
  } else {
    if (Status same = same_as_others(fitted(dims)); !same) return same;
    if (Status fits = append(values); !fits) return fits;
  }
  ++num_rows_;
  return {};
}

Status FeatureColumn::add_missing() {
  constexpr std::int64_t kNone[] = {0};
  if (any_length()) return add(kNone, {});
  if (!feature_ || feature_->default_value.empty()) {
    return invalid(fmt::format("{} is missing in one of 'examples'", label()), spec_.name);
  }
  const auto dims = spec_.shape.dims();
  return add(dims.subspan(dims.empty() ? 0 : 1), feature_->default_value);
}

// Rows of different lengths, each filled up with the default.
Status FeatureColumn::fill_up() {
  const std::int64_t longest = std::ranges::max(lengths_);
  std::vector<std::byte> filler = feature_->default_value;
  if (filler.empty()) filler.resize(std::max<std::size_t>(dtype_block_bytes(spec_.dtype), 4));
  std::vector<std::byte> even;
  std::size_t begin = 0;
  for (std::size_t row = 0; row < lengths_.size(); ++row) {
    even.insert(even.end(), data_.begin() + static_cast<std::ptrdiff_t>(begin),
                data_.begin() + static_cast<std::ptrdiff_t>(row_ends_[row]));
    begin = row_ends_[row];
    const auto missing = static_cast<std::size_t>(longest - lengths_[row]);
    if (missing > 0 && filler.size() > bytes_left_ / missing) return too_large();
    bytes_left_ -= missing * filler.size();
    for (std::size_t i = 0; i < missing; ++i) even.insert(even.end(), filler.begin(), filler.end());
  }
  data_ = std::move(even);
  return {};
}

Result<NestedTensor> FeatureColumn::take() {
  if (any_length() && num_rows_ > 0) {
    const auto inner =
        spec_.shape.dims().subspan(std::min<std::size_t>(2, spec_.shape.dims().size()));
    const std::int64_t stride = std::max<std::int64_t>(product_of(inner), 1);
    if (!std::ranges::all_of(lengths_, [&](std::int64_t length) { return length % stride == 0; })) {
      return invalid(
          fmt::format("{}: the number of values must be a multiple of {}", label(), stride),
          spec_.name);
    }
    dims_ = {std::ranges::max(lengths_) / stride};
    dims_.insert(dims_.end(), inner.begin(), inner.end());
    if (Status even = fill_up(); !even) return pass(even);
  }
  dims_.insert(dims_.begin(), num_rows_);
  return NestedTensor{.dims = std::move(dims_), .data = std::move(data_)};
}

}  // namespace millrace::api
