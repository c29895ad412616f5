// What this machine can do at most, measured: the figures that kernels are held against. Shared
// machines differ from hour to hour, so measure in the run that quotes them.
#pragma once

#include "kernels/ops.h"

namespace millrace::kernels {

// All threads of the Exec together. Zero: the table has no instructions for it.
struct Ceilings {
  double read_bytes_per_second = 0;  // from memory, past every cache
  double f32_flops = 0;              // a multiply-add is two operations
  double bf16_flops = 0;
  double int8_ops = 0;
};

// Takes about `seconds` in all, and 64 MiB a thread (more where the last cache is larger)
// meanwhile. The best of several tries each: neighbours on the machine only ever slow one down.
Ceilings measure_ceilings(Ops& ops, double seconds = 0.5);

}  // namespace millrace::kernels
