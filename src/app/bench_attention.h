// The attention rows of `bench kernels`.
#pragma once

#include <optional>
#include <string>

#include "app/bench_kernel_row.h"
#include "kernels/ops.h"

namespace millrace::app {

struct AttentionHeads {
  int heads = 0, kv_heads = 0, head_dim = 0;
};

// Decode: `batch` sequences of one new token each, whose last position is context - 1, over paged K
// and V that come from memory. m is the batch, n the context, k heads · head_dim; bytes are those
// of K and V. Empty: they would take more than 4 GiB.
std::optional<KernelRow> measure_attention(kernels::Ops& ops, const AttentionHeads& shape,
                                           kernels::KvKind kind, int batch, int context,
                                           double seconds);

}  // namespace millrace::app
