// Products and the Cholesky factor against plain sums in f64, on every table of this machine.
#include "optimize/dense.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string_view>
#include <vector>

#include "kernels/select.h"
#include "optimize/cholesky.h"
#include "optimize/testing.h"

namespace millrace::optimize {
namespace {

TEST(Dense, ProductsAreThoseOfF64) {
  for (const char* table : {"reference", "auto"}) {
    TestOps test(table);
    const int m = 37, k = 65, n = 19;
    const std::vector<float> a = normals(m * k, 1), b = normals(n * k, 2), c = normals(k * n, 3);
    std::vector<float> with_b(static_cast<std::size_t>(m * n), 1.0f), with_c = with_b;
    add_product_transposed(test.ops, {a.data(), m, k, k}, {b.data(), n, k, k}, with_b.data(), n);
    add_product(test.ops, {a.data(), m, k, k}, {c.data(), k, n, n}, with_c.data(), n);
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        double sum_b = 1, sum_c = 1;
        for (int x = 0; x < k; ++x) {
          sum_b += at(a, i, x, k) * at(b, j, x, k);
          sum_c += at(a, i, x, k) * at(c, x, j, n);
        }
        EXPECT_NEAR(at(with_b, i, j, n), sum_b, 1e-4) << table;
        EXPECT_NEAR(at(with_c, i, j, n), sum_c, 1e-4) << table;
      }
    }
  }
}

TEST(Dense, MomentsAreThoseOfF64) {
  TestOps test("auto");
  const int rows = 70, width = 45;
  const std::vector<float> x = normals(rows * width, 4);
  std::vector<float> sums(static_cast<std::size_t>(width * width));
  add_moments(test.ops, {x.data(), rows, width, width}, sums.data());
  for (int i = 0; i < width; ++i) {
    for (int j = 0; j < width; ++j) {
      double sum = 0;
      for (int r = 0; r < rows; ++r) sum += at(x, r, i, width) * at(x, r, j, width);
      EXPECT_NEAR(at(sums, i, j, width), sum, 1e-4);
    }
  }
}

TEST(Cholesky, TheFactorMakesTheMatrix) {
  TestOps test("auto");
  for (const int n : {1, 7, 128, 129, 700}) {
    const std::vector<float> h = moments_of(n, 2 * n + 3, 5);
    std::vector<float> factor = h;
    ASSERT_TRUE(cholesky(test.ops, factor.data(), n)) << n;
    for (int i = 0; i < n; i += 1 + n / 50) {
      for (int j = 0; j <= i; j += 1 + n / 50) {
        double sum = 0;
        for (int c = 0; c <= j; ++c) sum += at(factor, i, c, n) * at(factor, j, c, n);
        EXPECT_NEAR(sum, at(h, i, j, n), 1e-4 * std::sqrt(at(h, i, i, n) * at(h, j, j, n)))
            << n << ": " << i << ", " << j;
      }
    }
  }
}

TEST(Cholesky, WhatIsNotPositiveDefiniteIsSaid) {
  TestOps test("auto");
  const int n = 200;
  std::vector<float> h(static_cast<std::size_t>(n) * n);
  for (std::size_t i = 0; i < 200; ++i) h[i * 200 + i] = i == 150 ? -1.0f : 1.0f;
  EXPECT_FALSE(cholesky(test.ops, h.data(), n));
  for (std::size_t i = 0; i < 200; ++i) h[i * 200 + i] = i == 20 ? std::nanf("") : 1.0f;
  EXPECT_FALSE(cholesky(test.ops, h.data(), n));
}

}  // namespace
}  // namespace millrace::optimize
