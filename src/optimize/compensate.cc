#include "optimize/compensate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "optimize/cholesky.h"
#include "optimize/dense.h"
#include "optimize/grid.h"
#include "optimize/improve.h"
#include "optimize/on_rows.h"

namespace millrace::optimize {
namespace {

constexpr int kBlock = 128;  // columns between products over whole rows

std::size_t size_of(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

std::vector<float> damped(const float* moments, int k, double damping) {
  std::vector<float> h(moments, moments + size_of(k, k));
  double trace = 0;
  for (int i = 0; i < k; ++i) trace += h[size_of(i, k) + static_cast<std::size_t>(i)];
  const double mean = trace > 0 && std::isfinite(trace) ? trace / k : 1;
  for (int i = 0; i < k; ++i)
    h[size_of(i, k) + static_cast<std::size_t>(i)] += static_cast<float>(damping * mean);
  return h;
}

// Columns from the least to the most active.
std::vector<int> order_of(const std::vector<float>& h, int k) {
  std::vector<int> order(static_cast<std::size_t>(k));
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {},
                           [&](int i) { return h[size_of(i, k) + static_cast<std::size_t>(i)]; });
  return order;
}

// L / diagonal(L) of h with rows and columns in `order`; empty where h is not positive definite.
std::vector<float> unit_factor(kernels::Ops& ops, const std::vector<float>& h,
                               const std::vector<int>& order, int k) {
  std::vector<float> factor(h.size());
  on_rows(ops, k, [&](int row) {
    const float* from = h.data() + size_of(order[static_cast<std::size_t>(row)], k);
    float* to = factor.data() + size_of(row, k);
    for (std::size_t c = 0; c < order.size(); ++c) to[c] = from[order[c]];
  });
  if (!cholesky(ops, factor.data(), k)) return {};
  std::vector<float> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    inverse[i] = 1 / factor[i * static_cast<std::size_t>(k) + i];
  on_rows(ops, k, [&](int row) {
    float* to = factor.data() + size_of(row, k);
    for (int c = 0; c <= row; ++c) to[c] *= inverse[static_cast<std::size_t>(c)];
  });
  return factor;
}

// The columns [first, last) of a row in `order`, from the last to the first. `wanted` is what the
// errors of the columns behind them ask for; errors so far stand in `errors` [k].
void round_columns(GridRows& grid, int row, const std::vector<int>& order, const float* weights,
                   const std::vector<float>& factor, int first, int last, float* wanted,
                   float* errors) {
  const int k = grid.k();
  for (int j = last - 1; j >= first; --j) {
    const int column = order[static_cast<std::size_t>(j)];
    const models::Affine& pair = grid.pair(row, column);
    const int code = grid.nearest(pair, wanted[j - first]);
    grid.codes(row)[column] = static_cast<std::int8_t>(code);
    const float error = weights[column] - GridRows::value(pair, code);
    errors[j] = error;
    const float* ahead = factor.data() + size_of(j, k) + first;
    for (int c = 0; c < j - first; ++c) wanted[c] += error * ahead[c];
  }
}

void round_in_order(kernels::Ops& ops, GridRows& grid, const float* weights,
                    const std::vector<int>& order, const std::vector<float>& factor) {
  const int n = grid.n(), k = grid.k();
  std::vector<float> errors(size_of(n, k)), wanted(size_of(n, kBlock));
  for (int last = k; last > 0; last -= std::min(last, kBlock)) {
    const int first = std::max(0, last - kBlock), width = last - first;
    on_rows(ops, n, [&](int row) {
      for (int j = first; j < last; ++j)
        wanted[size_of(row, width) + static_cast<std::size_t>(j - first)] =
            weights[size_of(row, k) + static_cast<std::size_t>(order[static_cast<std::size_t>(j)])];
    });
    add_product(ops, {errors.data() + last, n, k - last, k},
                {factor.data() + size_of(last, k) + first, k - last, width, k}, wanted.data(),
                width);
    on_rows(ops, n, [&](int row) {
      round_columns(grid, row, order, weights + size_of(row, k), factor, first, last,
                    wanted.data() + size_of(row, width), errors.data() + size_of(row, k));
    });
  }
}

// The rows' errors (w - v)·H·(w - v)ᵀ.
std::vector<double> row_errors(kernels::Ops& ops, const float* difference, int n, int k,
                               const float* h) {
  std::vector<float> product(size_of(n, k));
  add_product_transposed(ops, {difference, n, k, k}, {h, k, k, k}, product.data(), k);
  std::vector<double> errors(static_cast<std::size_t>(n));
  on_rows(ops, n, [&](int row) {
    double sum = 0;
    for (std::size_t i = size_of(row, k); i < size_of(row + 1, k); ++i)
      sum += static_cast<double>(product[i]) * static_cast<double>(difference[i]);
    errors[static_cast<std::size_t>(row)] = sum;
  });
  return errors;
}

std::vector<double> row_errors(kernels::Ops& ops, const GridRows& grid, const float* weights,
                               const float* h) {
  const int n = grid.n(), k = grid.k();
  std::vector<float> difference(size_of(n, k));
  on_rows(ops, n, [&](int row) {
    float* out = difference.data() + size_of(row, k);
    grid.values(row, out);
    for (int c = 0; c < k; ++c)
      out[c] = weights[size_of(row, k) + static_cast<std::size_t>(c)] - out[c];
  });
  return row_errors(ops, difference.data(), n, k, h);
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

RoundedMatrix packed(kernels::Ops& ops, const GridRows& grid) {
  RoundedMatrix out;
  out.kind = grid.kind();
  const std::size_t stride = models::row_bytes(grid.kind(), grid.k());
  out.bytes = Buffer(stride * static_cast<std::size_t>(grid.n()));
  out.scales.resize(static_cast<std::size_t>(grid.n()));
  on_rows(ops, grid.n(), [&](int row) {
    const auto at = static_cast<std::size_t>(row);
    out.scales[at] = grid.put_row(row, out.bytes.data() + at * stride);
  });
  return out;
}

}  // namespace

RoundedMatrix round_matrix(kernels::Ops& ops, DType kind, const float* weights, int n, int k,
                           const float* moments, const Rounding& rounding) {
  std::vector<float> h, factor;
  std::vector<int> order;
  for (double damping = rounding.damping; factor.empty(); damping *= 10) {
    MILLRACE_CHECK(damping < 1e6);  // a dominant diagonal is positive definite
    h = damped(moments, k, damping);
    order = order_of(h, k);
    factor = unit_factor(ops, h, order, k);
  }
  std::vector<float> importance(static_cast<std::size_t>(k));
  for (std::size_t i = 0; i < importance.size(); ++i)
    importance[i] = h[i * static_cast<std::size_t>(k) + i];

  GridRows plain(kind, n, k);
  on_rows(ops, n,
          [&](int row) { plain.fit_row(row, weights + size_of(row, k), importance.data()); });
  GridRows grid = plain;
  round_in_order(ops, grid, weights, order, factor);
  const std::vector<double> before = row_errors(ops, plain, weights, h.data());
  const std::vector<double> after = row_errors(ops, grid, weights, h.data());
  for (int row = 0; row < n; ++row) {  // seldom: compensation has no bound where codes saturate
    const auto at = static_cast<std::size_t>(row);
    if (!(after[at] <= before[at])) std::copy_n(plain.codes(row), k, grid.codes(row));
  }
  for (int i = 0; i < rounding.sweeps; ++i) improve(ops, grid, weights, h.data());

  RoundedMatrix out = packed(ops, grid);
  const double size = sum(row_errors(ops, weights, n, k, h.data()));
  out.error = size > 0 ? sum(row_errors(ops, grid, weights, h.data())) / size : 0;
  return out;
}

}  // namespace millrace::optimize
