// One row of a weight as f32: the definition of every weight kind.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace millrace::kernels::reference {

bool is_weight_kind(DType kind);

// Bytes of one row of k elements, or 0 when k is not whole blocks.
std::size_t row_bytes(DType kind, int k);

// `row` is k elements in `kind`'s own format; `scale` multiplies i8 values and nothing else.
void dequantize_row(DType kind, const void* row, int k, float scale, float* out);

// Row r of a weight that reference/pack.cc packed.
void dequantize_packed_row(const PackedWeight& weight, int r, float* out);

// i8 only: where pack.cc puts the row scales.
std::size_t i8_scales_offset(int n, int k);

}  // namespace millrace::kernels::reference
