// Chooses how to multiply by precision, rows and kind.
#include "kernels/amx/gemm.h"

#include "kernels/avx512/ops.h"

namespace millrace::kernels::amx {
namespace {

constexpr int kFewRows = 4;

bool use_tiles(const ExecView& exec, const GemmArgs& args) {
  return exec.precision != Precision::exact && args.m > kFewRows;
}

}  // namespace

std::size_t gemm_scratch(const ExecView& exec, const GemmArgs& args) {
  return use_tiles(exec, args) ? tiles_scratch(exec, args) : avx512::gemm_scratch(exec, args);
}

void gemm(const ExecView& exec, const GemmArgs& args) {
  if (use_tiles(exec, args)) {
    multiply_tiles(exec, args);
  } else {
    avx512::gemm(exec, args);
  }
}

}  // namespace millrace::kernels::amx
