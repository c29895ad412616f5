// Rounding with compensation against the method as it was published (the inverse of H, in f64), and
// what it promises: never worse than rounding to the nearest, and nothing left to gain code by
// code.
#include "optimize/compensate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/reference/dequantize.h"
#include "models/quantise.h"
#include "optimize/grid.h"
#include "optimize/improve.h"
#include "optimize/testing.h"

namespace millrace::optimize {
namespace {

using Square = std::vector<std::vector<double>>;

std::vector<float> values_of(const RoundedMatrix& rounded, int n, int k) {
  std::vector<float> out(static_cast<std::size_t>(n) * static_cast<std::size_t>(k));
  const std::size_t stride = kernels::reference::row_bytes(rounded.kind, k);
  for (std::size_t row = 0; row < static_cast<std::size_t>(n); ++row) {
    kernels::reference::dequantize_row(rounded.kind, rounded.bytes.data() + row * stride, k,
                                       rounded.scales[row],
                                       out.data() + row * static_cast<std::size_t>(k));
  }
  return out;
}

std::vector<float> nearest(DType kind, const std::vector<float>& weights, int n, int k) {
  RoundedMatrix plain;
  plain.kind = kind;
  const std::size_t stride = kernels::reference::row_bytes(kind, k);
  plain.bytes = Buffer(stride * static_cast<std::size_t>(n));
  for (std::size_t row = 0; row < static_cast<std::size_t>(n); ++row) {
    plain.scales.push_back(models::quantise_row(kind,
                                                weights.data() + row * static_cast<std::size_t>(k),
                                                k, plain.bytes.data() + row * stride));
  }
  return values_of(plain, n, k);
}

double error_of(const std::vector<float>& weights, const std::vector<float>& values, int row, int k,
                const std::vector<float>& h, double damping = 0) {
  double error = 0, trace = 0;
  for (int i = 0; i < k; ++i) trace += at(h, i, i, k);
  for (int i = 0; i < k; ++i) {
    const double e = at(weights, row, i, k) - at(values, row, i, k);
    for (int j = 0; j < k; ++j)
      error += e * at(h, i, j, k) * (at(weights, row, j, k) - at(values, row, j, k));
    error += damping * trace / k * e * e;
  }
  return error;
}

Square inverse(Square a) {
  const std::size_t n = a.size();
  Square out(n, std::vector<double>(n));
  for (std::size_t i = 0; i < n; ++i) out[i][i] = 1;
  for (std::size_t p = 0; p < n; ++p) {
    const double pivot = a[p][p];
    for (std::size_t c = 0; c < n; ++c) {
      a[p][c] /= pivot;
      out[p][c] /= pivot;
    }
    for (std::size_t r = 0; r < n; ++r) {
      if (r == p) continue;
      const double factor = a[r][p];
      for (std::size_t c = 0; c < n; ++c) {
        a[r][c] -= factor * a[p][c];
        out[r][c] -= factor * out[p][c];
      }
    }
  }
  return out;
}

// Codes of one row of i8 by the published steps: round a column, spread its error over those that
// are left by the inverse of H, take the column out of the inverse.
std::vector<int> published(std::vector<double> row, float scale, const Square& h) {
  const std::size_t k = row.size();
  std::vector<std::size_t> order(k);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, std::greater<>(), [&](std::size_t i) { return h[i][i]; });
  Square left = inverse(h);
  std::vector<int> codes(k);
  for (const std::size_t q : order) {
    codes[q] = static_cast<int>(
        std::lround(std::clamp(row[q] / static_cast<double>(scale), -127.0, 127.0)));
    const double error = (row[q] - codes[q] * static_cast<double>(scale)) / left[q][q];
    const std::vector<double> column = left[q];
    for (std::size_t i = 0; i < k; ++i) row[i] -= error * column[i];
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t j = 0; j < k; ++j) left[i][j] -= column[i] * column[j] / column[q];
    }
  }
  return codes;
}

TEST(Compensate, CodesAreThoseOfThePublishedMethod) {
  TestOps test("auto");
  const int n = 6, k = 160;  // more than a block of columns
  const std::vector<float> weights = normals(n * k, 1, 0.05f), h = moments_of(k, 400, 2);
  const double damping = 0.02;
  const RoundedMatrix rounded = round_matrix(test.ops, DType::i8, weights.data(), n, k, h.data(),
                                             {.sweeps = 0, .damping = damping});
  Square square(static_cast<std::size_t>(k), std::vector<double>(static_cast<std::size_t>(k)));
  double trace = 0;
  for (int i = 0; i < k; ++i) trace += at(h, i, i, k);
  for (int i = 0; i < k; ++i) {
    for (int j = 0; j < k; ++j)
      square[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] =
          at(h, i, j, k) + (i == j ? damping * trace / k : 0);
  }
  int different = 0;
  for (int row = 0; row < n; ++row) {
    const auto begin = weights.begin() + row * k;
    const std::vector<int> expected =
        published({begin, begin + k}, rounded.scales[static_cast<std::size_t>(row)], square);
    const auto* codes = reinterpret_cast<const std::int8_t*>(rounded.bytes.data()) + row * k;
    for (int i = 0; i < k; ++i) different += codes[i] != expected[static_cast<std::size_t>(i)];
  }
  EXPECT_LE(different, n * k / 100);  // ties that f32 decides otherwise, and what follows them
}

TEST(Compensate, NoRowIsWorseThanRoundedToTheNearest) {
  TestOps test("auto");
  const int n = 24, k = 256;
  const std::vector<float> weights = normals(n * k, 3, 0.05f), h = moments_of(k, 600, 4);
  for (const DType kind : {DType::i8, DType::q4_1, DType::q4_g64, DType::q4_g128}) {
    const RoundedMatrix rounded =
        round_matrix(test.ops, kind, weights.data(), n, k, h.data(), {.damping = 0.01});
    const std::vector<float> ours = values_of(rounded, n, k), plain = nearest(kind, weights, n, k);
    double sum_ours = 0, sum_plain = 0;
    for (int row = 0; row < n; ++row) {
      const double error = error_of(weights, ours, row, k, h, 0.01),
                   without = error_of(weights, plain, row, k, h, 0.01);
      EXPECT_LE(error, without) << dtype_name(kind) << " row " << row;
      sum_ours += error;
      sum_plain += without;
    }
    EXPECT_LT(sum_ours, 0.35 * sum_plain) << dtype_name(kind);
    EXPECT_GT(rounded.error, 0);
  }
}

TEST(Compensate, WhereColumnsAreIndependentItRoundsToTheNearest) {
  TestOps test("auto");
  const int n = 5, k = 96;
  const std::vector<float> weights = normals(n * k, 5, 0.05f);
  std::vector<float> h(static_cast<std::size_t>(k) * k);
  for (std::size_t i = 0; i < 96; ++i) h[i * 96 + i] = 3;
  const RoundedMatrix bytes = round_matrix(test.ops, DType::i8, weights.data(), n, k, h.data());
  EXPECT_EQ(values_of(bytes, n, k), nearest(DType::i8, weights, n, k));
  const RoundedMatrix groups = round_matrix(test.ops, DType::q4_1, weights.data(), n, k, h.data(),
                                            {.sweeps = 0, .damping = 0.01});
  EXPECT_EQ(values_of(groups, n, k), nearest(DType::q4_1, weights, n, k));
}

TEST(Compensate, InputsThatAreNeverActiveDoNoHarm) {
  TestOps test("auto");
  const int n = 3, k = 64;
  const std::vector<float> weights = normals(n * k, 6);
  const std::vector<float> h(static_cast<std::size_t>(k) * k);  // nothing was ever seen
  const RoundedMatrix rounded =
      round_matrix(test.ops, DType::q4_g64, weights.data(), n, k, h.data());
  for (const float value : values_of(rounded, n, k)) EXPECT_LT(std::fabs(value), 5);
  EXPECT_LT(error_of(weights, values_of(rounded, n, k), 0, k, h, 1), 1e-6);
}

TEST(Improve, NothingIsLeftToGainCodeByCode) {
  TestOps test("auto");
  const int n = 4, k = 128;
  const std::vector<float> weights = normals(n * k, 7, 0.05f), h = moments_of(k, 300, 8);
  GridRows grid(DType::q4_g64, n, k);
  const std::vector<float> alike(static_cast<std::size_t>(k), 1.0f);
  for (int row = 0; row < n; ++row) grid.fit_row(row, weights.data() + row * k, alike.data());
  std::vector<float> values(static_cast<std::size_t>(n * k));
  double before = 1e30;
  for (int turn = 0; turn < 40; ++turn) {
    improve(test.ops, grid, weights.data(), h.data());
    double error = 0;
    for (int row = 0; row < n; ++row) {
      grid.values(row, values.data() + row * k);
      error += error_of(weights, values, row, k, h);
    }
    EXPECT_LE(error, before * (1 + 1e-5));
    before = error;
  }
  for (int row = 0; row < n; ++row) {
    const double error = error_of(weights, values, row, k, h);
    for (int i = 0; i < k; i += 5) {
      for (const int step : {-1, 1}) {
        const int code = grid.codes(row)[i] + step;
        if (code < 0 || code > 15) continue;
        std::vector<float> other = values;
        other[static_cast<std::size_t>(row * k + i)] = GridRows::value(grid.pair(row, i), code);
        EXPECT_GE(error_of(weights, other, row, k, h), error * (1 - 1e-4));
      }
    }
  }
}

}  // namespace
}  // namespace millrace::optimize
