// How fast this machine is right now, in about a second: what its memory delivers, and what a
// kernel table reaches in a matrix product. Shared machines differ from hour to hour.
#pragma once

#include <string>

#include "kernels/kernels.h"
#include "tensor/compute_pool.h"

namespace millrace::app {

struct MachineSpeed {
  int num_threads = 0;
  double read_bytes_per_second = 0;    // all threads read their own memory, past the caches
  double peak_flops_per_second = 0;    // the table's fastest multiply-adds of floating point
  double flops_per_second = 0;         // the table's product of bf16 weights at many rows
  double weight_bytes_per_second = 0;  // the same at one row: what decoding one stream gets
};

// Takes about `seconds`, `pool`'s threads and 64 MiB a thread (more where the last cache is
// larger).
MachineSpeed measure_speed(const kernels::Kernels& table, ComputePool& pool, double seconds);

// The table against the reference on small products: empty, or what differs.
std::string check_against_reference(const kernels::Kernels& table, ComputePool& pool);

}  // namespace millrace::app
