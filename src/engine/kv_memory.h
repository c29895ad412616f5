// KvMemory: the bytes behind block ids, one buffer a layer. How many blocks fit is decided here,
// before anything is allocated.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "kernels/kernels.h"
#include "models/causal_model.h"
#include "tensor/buffer.h"

namespace millrace::engine {

// Bytes one block takes in all layers together.
std::int64_t kv_bytes_per_block(const kernels::Kernels& table, const kernels::KvShape& shape,
                                int num_layers);

class KvMemory {
 public:
  // Allocates num_blocks blocks in each layer (zeroed).
  KvMemory(const kernels::Kernels& table, const kernels::KvShape& shape, int num_layers,
           int num_blocks);
  const models::KvCache& cache() const { return cache_; }
  int num_blocks() const { return num_blocks_; }
  std::int64_t bytes() const;

 private:
  std::vector<Buffer> layers_;
  models::KvCache cache_;
  int num_blocks_;
};

}  // namespace millrace::engine
