// Products of plain f32 matrices on the kernel table of this machine, on all threads: what
// calibration and the solvers spend their time in. The Exec is to be of Precision::exact.
#pragma once

#include <cstdint>

#include "kernels/ops.h"

namespace millrace::optimize {

// A row-major part of a matrix; `stride` in elements between rows.
struct Matrix {
  const float* data;
  int rows, columns;
  std::int64_t stride;
};

// out [a.rows, b.rows] += a · bᵀ
void add_product_transposed(kernels::Ops& ops, const Matrix& a, const Matrix& b, float* out,
                            std::int64_t out_stride);
// out [a.rows, b.columns] += a · b
void add_product(kernels::Ops& ops, const Matrix& a, const Matrix& b, float* out,
                 std::int64_t out_stride);
// out [x.columns, x.columns] += xᵀ · x
void add_moments(kernels::Ops& ops, const Matrix& x, float* out);

}  // namespace millrace::optimize
