// Rows of x as A tiles want them: bf16, in the orders of the weights' B tiles (widen.h).
#pragma once

#include "kernels/amx/operand.h"
#include "kernels/parallel.h"

namespace millrace::kernels {
namespace {

// x by Order; null where no part wants it. Rows lie operand_stride(k) bytes apart.
struct Activations {
  const uint8_t* of[2];

  const uint8_t* rows_for(DType kind) const { return of[static_cast<int>(order_of(kind))]; }
  Activations from_row(int row, size_t stride) const {
    Activations out = *this;
    for (const uint8_t*& rows : out.of) {
      if (rows != nullptr) rows += static_cast<size_t>(row) * stride;
    }
    return out;
  }
};

// Of one order.
inline size_t activation_bytes(int rows, int k) {
  return round_up(static_cast<size_t>(rows), size_t{32}) * operand_stride(k);
}

// 32 rows of x; those past the last are zero.
void convert_rows(const GemmArgs& args, Order order, int row_pair, uint8_t* a) {
  const size_t stride = operand_stride(args.k);
  const int k_tiles = static_cast<int>(padded_k(args.k)) / 32;
  for (int row = row_pair * 32; row < row_pair * 32 + 32; ++row) {
    const float* x = args.x + row * args.x_stride;
    uint8_t* to = a + static_cast<size_t>(row) * stride;
    for (int t = 0; t < k_tiles; ++t) {
      const __m512i v =
          row < args.m ? activations32(x, 32 * t, args.k, order) : _mm512_setzero_si512();
      _mm512_store_si512(to + 64 * t, v);
    }
  }
}

// x in the orders that its parts want, made at `at` (two orders of `bytes`) where it is f32.
Activations activations_of(const ExecView& exec, const GemmArgs& args, uint8_t* at, size_t bytes) {
  Activations out = {};
  if (args.x_operand.form != 0) {
    out.of[static_cast<int>(order_of_form(args.x_operand.form))] =
        static_cast<const uint8_t*>(args.x_operand.data);
    return out;
  }
  uint8_t* made[2] = {};
  for (int p = 0; p < args.num_parts; ++p) {
    const auto order = static_cast<int>(order_of(args.parts[p].weight->kind));
    if (made[order] == nullptr) made[order] = at + static_cast<size_t>(order) * bytes;
  }
  parallel_near(exec, (args.m + 31) / 32, [&](int row_pair, int) {
    for (int i = 0; i < 2; ++i) {
      if (made[i] != nullptr) convert_rows(args, static_cast<Order>(i), row_pair, made[i]);
    }
  });
  out.of[0] = made[0];
  out.of[1] = made[1];
  return out;
}

}  // namespace
}  // namespace millrace::kernels
