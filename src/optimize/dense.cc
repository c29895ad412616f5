#include "optimize/dense.h"

#include <algorithm>
#include <cstddef>

#include "base/check.h"
#include "tensor/buffer.h"

namespace millrace::optimize {
namespace {

// out += a · weightᵀ, where the weight is [n, k] or, transposed, lies as [k, n].
void multiply(kernels::Ops& ops, const Matrix& a, const Matrix& b, bool transposed, float* out,
              std::int64_t out_stride) {
  if (a.rows == 0 || a.columns == 0 || b.rows == 0 || b.columns == 0) return;
  const int n = transposed ? b.columns : b.rows;
  MILLRACE_CHECK(a.columns == (transposed ? b.rows : b.columns));
  const kernels::Weight weight(
      ops, {.kind = DType::f32,
            .n = n,
            .k = a.columns,
            .source = b.data,
            .scales = nullptr,
            .source_row_bytes = b.stride * static_cast<std::int64_t>(sizeof(float)),
            .transposed = transposed,
            .first_row = 0,
            .num_rows = n});
  kernels::GemmArgs args{.x = a.data,
                         .x_stride = a.stride,
                         .m = a.rows,
                         .k = a.columns,
                         .num_parts = 1,
                         .parts = {},
                         .epilogue = kernels::Epilogue::none,
                         .accumulate = true};
  args.parts[0] = {
      .weight = &weight.packed(), .bias = nullptr, .out = out, .out_stride = out_stride};
  kernels::gemm(ops, args);
}

}  // namespace

void add_product_transposed(kernels::Ops& ops, const Matrix& a, const Matrix& b, float* out,
                            std::int64_t out_stride) {
  multiply(ops, a, b, false, out, out_stride);
}

void add_product(kernels::Ops& ops, const Matrix& a, const Matrix& b, float* out,
                 std::int64_t out_stride) {
  multiply(ops, a, b, true, out, out_stride);
}

void add_moments(kernels::Ops& ops, const Matrix& x, float* out) {
  const auto rows = static_cast<std::size_t>(x.rows), width = static_cast<std::size_t>(x.columns);
  Buffer turned(rows * width * sizeof(float));
  auto* to = turned.as<float>();
  constexpr std::size_t kTile = 16;
  for (std::size_t first = 0; first < width; first += kTile) {
    const std::size_t last = std::min(width, first + kTile);
    for (std::size_t r = 0; r < rows; ++r) {
      const float* from = x.data + static_cast<std::ptrdiff_t>(r) * x.stride;
      for (std::size_t c = first; c < last; ++c) to[c * rows + r] = from[c];
    }
  }
  add_product(ops, {to, x.columns, x.rows, x.rows}, x, out, x.columns);
}

}  // namespace millrace::optimize
