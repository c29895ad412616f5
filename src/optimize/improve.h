// Better scales, minima and codes for a matrix that is rounded already.
#pragma once

#include "kernels/ops.h"
#include "optimize/grid.h"

namespace millrace::optimize {

// One turn over all columns: of each group the scale and minimum, then each of its codes, by the
// exact minimum over that one with all others as they are. weights [n, k]; h [k, k], positive
// definite. No row's error (w - v)·h·(w - v)ᵀ grows.
void improve(kernels::Ops& ops, GridRows& grid, const float* weights, const float* h);

}  // namespace millrace::optimize
