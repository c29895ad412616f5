#include "optimize/grid.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace millrace::optimize {

GridRows::GridRows(DType kind, int n, int k)
    : kind_(kind),
      n_(n),
      k_(k),
      group_(kind == DType::i8 ? k : static_cast<int>(dtype_block_elements(kind))) {
  MILLRACE_CHECK(n > 0 && k > 0 && k % group_ == 0);
  codes_.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(k));
  pairs_.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(k / group_));
}

int GridRows::nearest(const models::Affine& pair, float x) const {
  if (kind_ != DType::i8) return pair.code(x);
  if (pair.d < std::numeric_limits<float>::min()) return 0;
  const float code = std::clamp(x / pair.d, -127.0f, 127.0f);
  return static_cast<int>(code + (code < 0 ? -0.5f : 0.5f));
}

void GridRows::fit_row(int row, const float* weights, const float* importance) {
  for (int first = 0; first < k_; first += group_) {
    models::Affine& fitted = pair(row, first);
    if (has_minima()) {
      fitted = models::fit_group(weights + first, importance + first, group_);
    } else {
      float largest = 0;
      for (int i = 0; i < k_; ++i) largest = std::max(largest, std::fabs(weights[i]));
      fitted = {largest / 127, 0};
    }
    for (int i = first; i < first + group_; ++i)
      codes(row)[i] = static_cast<std::int8_t>(nearest(fitted, weights[i]));
  }
}

void GridRows::values(int row, float* out) const {
  for (int first = 0; first < k_; first += group_) {
    const models::Affine& group = pair(row, first);
    for (int i = first; i < first + group_; ++i) out[i] = value(group, codes(row)[i]);
  }
}

float GridRows::put_row(int row, std::byte* out) const {
  const std::int8_t* from = codes(row);
  if (!has_minima()) {
    std::transform(from, from + k_, out, [](std::int8_t c) { return static_cast<std::byte>(c); });
    return pair(row, 0).d;
  }
  std::array<std::uint8_t, 128> group;
  for (int first = 0; first < k_; first += group_, out += dtype_block_bytes(kind_)) {
    std::copy(from + first, from + first + group_, group.begin());
    models::put_group(kind_, pair(row, first), group.data(), out);
  }
  return 1;
}

}  // namespace millrace::optimize
