#include "optimize/cholesky.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "optimize/dense.h"
#include "optimize/on_rows.h"

namespace millrace::optimize {
namespace {

constexpr int kBlock = 128;
constexpr int kStrip = 512;

// The block's own factor; sums in f64.
bool factor_block(float* a, std::size_t stride, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = a[i * stride + j];
      for (std::size_t c = 0; c < j; ++c)
        sum -= static_cast<double>(a[i * stride + c]) * static_cast<double>(a[j * stride + c]);
      if (i > j) {
        a[i * stride + j] = static_cast<float>(sum / static_cast<double>(a[j * stride + j]));
      } else if (sum > 0 && std::isfinite(sum)) {
        a[j * stride + j] = static_cast<float>(std::sqrt(sum));
      } else {
        return false;
      }
    }
  }
  return true;
}

// row · block⁻ᵀ
void solve_row(const float* block, std::size_t stride, std::size_t n, float* row) {
  for (std::size_t j = 0; j < n; ++j) {
    float sum = row[j];
    for (std::size_t c = 0; c < j; ++c) sum -= row[c] * block[j * stride + c];
    row[j] = sum / block[j * stride + j];
  }
}

}  // namespace

bool cholesky(kernels::Ops& ops, float* a, int n) {
  const auto stride = static_cast<std::size_t>(n);
  const auto at = [&](int row, int column) {
    return a + static_cast<std::size_t>(row) * stride + static_cast<std::size_t>(column);
  };
  std::vector<float> negated;
  for (int first = 0; first < n; first += kBlock) {
    const int width = std::min(kBlock, n - first), below = first + width, rest = n - below;
    const auto w = static_cast<std::size_t>(width);
    if (!factor_block(at(first, first), stride, w)) return false;
    negated.resize(static_cast<std::size_t>(rest) * w);
    on_rows(ops, rest, [&](int row) {
      float* panel = at(below + row, first);
      solve_row(at(first, first), stride, w, panel);
      float* out = negated.data() + static_cast<std::size_t>(row) * w;
      for (std::size_t c = 0; c < w; ++c) out[c] = -panel[c];
    });
    for (int strip = 0; strip < rest; strip += kStrip) {  // nothing far above the diagonal
      const int columns = std::min(kStrip, rest - strip);
      add_product_transposed(
          ops, {negated.data() + static_cast<std::size_t>(strip) * w, rest - strip, width, width},
          {at(below + strip, first), columns, width, n}, at(below + strip, below + strip), n);
    }
  }
  return true;
}

}  // namespace millrace::optimize
