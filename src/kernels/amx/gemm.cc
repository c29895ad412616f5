// Chooses how to multiply by precision, rows and kind.
#include "kernels/amx/gemm.h"

#include "kernels/avx512/ops.h"

namespace millrace::kernels::amx {
namespace {

enum class Way { base, few, tiles, bytes };

// The base table as in Precision::standard: for few rows 8-bit activations would save nothing.
ExecView for_base(const ExecView& exec) {
  ExecView view = exec;
  if (view.precision == Precision::fast) view.precision = Precision::standard;
  return view;
}

// Below this many rows the base table is faster, and exact with plain weights. It reads several
// panels of codes side by side for two rows at most.
constexpr int kTileRows = 5, kCodeRows = 3;

Way way_of(const ExecView& exec, const GemmArgs& args) {
  if (exec.precision == Precision::exact) return Way::base;
  bool few = true, codes = true, i8 = true;
  for (int p = 0; p < args.num_parts; ++p) {
    few = few && few_can(args.parts[p].weight->kind);
    codes = codes && args.parts[p].weight->kind != DType::bf16;
    i8 = i8 && args.parts[p].weight->kind == DType::i8;
  }
  if (few && args.m <= kFewRows && args.m >= (codes ? kCodeRows : kTileRows)) return Way::few;
  if (i8 && exec.precision == Precision::fast && args.m > kFewRows) return Way::bytes;
  return args.m < kTileRows ? Way::base : Way::tiles;
}

}  // namespace

std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args) {
  switch (way_of(exec, args)) {
    case Way::few:
      return few_scratch(exec, args);
    case Way::tiles:
      return tiles_scratch(exec, args);
    case Way::bytes:
      return bytes_scratch(exec, args);
    default:
      return avx512::gemm_scratch(for_base(exec), args);
  }
}

void gemm(const ExecView& exec, const GemmArgs& args) {
  switch (way_of(exec, args)) {
    case Way::few:
      return multiply_few(exec, args);
    case Way::tiles:
      return multiply_tiles(exec, args);
    case Way::bytes:
      return multiply_bytes(exec, args);
    default:
      return avx512::gemm(for_base(exec), args);
  }
}

int operand_form(const ExecView& exec, const GemmArgs& args) {
  return way_of(exec, args) == Way::tiles ? tiles_form(args) : 0;
}

}  // namespace millrace::kernels::amx
