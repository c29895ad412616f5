// KvMemory: the bytes behind block ids, one buffer a layer. How many blocks fit is decided here,
// before anything is allocated. Pages become present on first use, which may cost a virtual machine
// milliseconds each, in every layer at once: a thread of low priority sees to those of the blocks
// that come next. The pool gives out new blocks in ascending order.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

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
  KvMemory(const KvMemory&) = delete;
  KvMemory& operator=(const KvMemory&) = delete;

  // That many more blocks than were ever in use are made present early.
  static constexpr int kBlocksAhead = 256;

  const models::KvCache& cache() const { return cache_; }
  // A step uses this block. One thread; costs nothing but now and then.
  void in_use(int block) {
    if (block + kBlocksAhead / 2 >= wanted_) want(block + 1 + kBlocksAhead);
  }
  int num_blocks() const { return num_blocks_; }
  std::int64_t bytes() const;

 private:
  void want(int num_blocks);
  void make_present(std::stop_token stop);

  std::vector<Buffer> layers_;
  models::KvCache cache_;
  int num_blocks_;
  std::size_t block_bytes_;
  int wanted_ = 0;  // the caller's; at most num_blocks_, unless all are

  std::mutex mutex_;
  std::condition_variable_any wake_;
  int num_wanted_ = 0;     // guarded
  std::jthread presence_;  // ends first
};

}  // namespace millrace::engine
