// Norms whose result is wanted as an operand of products on tiles; others as avx512 does them.
#pragma once

#include "kernels/kernels.h"

namespace millrace::kernels::amx {

void rms_norm(const ExecView& exec, const NormArgs& args);
void layer_norm(const ExecView& exec, const NormArgs& args);

}  // namespace millrace::kernels::amx
