// Chooses how to multiply by precision, rows and kind.
#include "kernels/amx/gemm.h"

#include "kernels/avx512/ops.h"

namespace millrace::kernels::amx {
namespace {

enum class Way { base, few, stream, tiles, bytes };

// The base table as in Precision::standard: for few rows 8-bit activations would save nothing.
ExecView for_base(const ExecView& exec) {
  ExecView view = exec;
  if (view.precision == Precision::fast) view.precision = Precision::standard;
  return view;
}

// The base table reads several panels of codes side by side for two rows at most.
constexpr int kCodeRows = 3;

Way way_of(const ExecView& exec, const GemmArgs& args) {
  if (exec.precision == Precision::exact) return Way::base;
  bool few = true, i8 = true;
  for (int p = 0; p < args.num_parts; ++p) {
    few = few && few_can(args.parts[p].weight->kind);
    i8 = i8 && args.parts[p].weight->kind == DType::i8;
  }
  if (args.m <= kFewRows) return few && args.m >= kCodeRows ? Way::few : Way::base;
  if (i8 && exec.precision == Precision::fast) return Way::bytes;
  return args.m <= kStreamRows ? Way::stream : Way::tiles;
}

}  // namespace

std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args) {
  switch (way_of(exec, args)) {
    case Way::few:
      return few_scratch(exec, args);
    case Way::stream:
      return stream_scratch(exec, args);
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
    case Way::stream:
      return multiply_stream(exec, args);
    case Way::tiles:
      return multiply_tiles(exec, args);
    case Way::bytes:
      return multiply_bytes(exec, args);
    default:
      return avx512::gemm(for_base(exec), args);
  }
}

int operand_form(const ExecView& exec, const GemmArgs& args) {
  const Way way = way_of(exec, args);
  return way == Way::stream || way == Way::tiles ? tiles_form(args) : 0;
}

}  // namespace millrace::kernels::amx
