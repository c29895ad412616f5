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

// Below this many rows f32 and f16 weights, which only the base table multiplies exactly, are left
// to it.
constexpr int kTileRows = 5;

Way way_of(const ExecView& exec, const GemmArgs& args) {
  if (exec.precision == Precision::exact) return Way::base;
  bool few = true, i8 = true;
  for (int p = 0; p < args.num_parts; ++p) {
    few = few && few_can(args.parts[p].weight->kind);
    i8 = i8 && args.parts[p].weight->kind == DType::i8;
  }
  if (few && args.m <= kFewRows && args.m >= kTileRows) return Way::few;
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
