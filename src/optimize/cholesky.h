// The Cholesky factor of a symmetric matrix, by blocks, on all threads.
#pragma once

#include <vector>

#include "kernels/ops.h"

namespace millrace::optimize {

// a [n, n] becomes L, lower triangular with a = L·Lᵀ; what is above the diagonal is not read and
// left as it was. False where the matrix is not positive definite to working precision, `a` being
// lost then.
[[nodiscard]] bool cholesky(kernels::Ops& ops, float* a, int n);

}  // namespace millrace::optimize
