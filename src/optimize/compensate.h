// Rounding a matrix to one of our own kinds so that its products change least, not its entries.
//
// With rows w of a matrix and moments H = Σ x·xᵀ of what it is multiplied with, a row's error in
// all products is (w - v)·H·(w - v)ᵀ. Columns are rounded one by one, each after what the errors
// of those before it ask of it (GPTQ, arXiv:2210.17323, in the form of LDLQ, arXiv:2307.13304:
// one Cholesky factor, no inverse). Then scales, minima and codes are improved in turn, each by
// the exact minimum over itself, which never adds error.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops.h"
#include "tensor/buffer.h"
#include "tensor/dtype.h"

namespace millrace::optimize {

struct Rounding {
  int sweeps = 1;         // of the improvement
  double damping = 0.01;  // of the mean of H's diagonal, added to it
};

struct RoundedMatrix {
  DType kind = DType::f32;
  Buffer bytes;               // [n] rows in the kind's own format
  std::vector<float> scales;  // i8: [n]
  double error = 0;           // of all products, as a share of their squares
};

// weights [n, k] to i8, q4_1, q4_g64 or q4_g128 (k whole groups). moments [k, k], symmetric,
// not damped yet. All threads; needs about three times the memory of both.
RoundedMatrix round_matrix(kernels::Ops& ops, DType kind, const float* weights, int n, int k,
                           const float* moments, const Rounding& rounding = {});

}  // namespace millrace::optimize
