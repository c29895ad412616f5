#include "engine/kv_memory.h"

namespace millrace::engine {

std::int64_t kv_bytes_per_block(const kernels::Kernels& table, const kernels::KvShape& shape,
                                int num_layers) {
  return static_cast<std::int64_t>(table.kv_block_bytes(shape)) * num_layers;
}

KvMemory::KvMemory(const kernels::Kernels& table, const kernels::KvShape& shape, int num_layers,
                   int num_blocks)
    : num_blocks_(num_blocks) {
  cache_.shape = shape;
  const std::size_t bytes = table.kv_block_bytes(shape) * static_cast<std::size_t>(num_blocks);
  for (int layer = 0; layer < num_layers; ++layer) {
    layers_.emplace_back(bytes);
    cache_.layers.push_back(layers_.back().data());
  }
}

std::int64_t KvMemory::bytes() const {
  std::int64_t sum = 0;
  for (const Buffer& layer : layers_) sum += static_cast<std::int64_t>(layer.size());
  return sum;
}

}  // namespace millrace::engine
