// Each machine's table: defined in <folder>/table.cc. A table starts as a copy of the one below it
// and overrides what its machine does better. Only select.cc calls these, after it has probed the
// machine, and a table that builds on another. No inline functions here (README.md: the ODR
// hazard).
#pragma once

#include "kernels/kernels.h"

namespace millrace::kernels {

const Kernels& reference_kernels();
// x86-64, each on top of the one before: MILLRACE_KERNELS_<NAME> is defined for select.cc when the
// folder is part of the build (isa.cmake).
const Kernels& avx2_kernels();    // AVX2, FMA, F16C
const Kernels& avx512_kernels();  // AVX-512 F BW VL DQ VNNI
const Kernels& amx_kernels();     // AVX-512 BF16, AMX tile, int8, bf16
// aarch64
const Kernels& neon_kernels();

}  // namespace millrace::kernels
