#include "engine/kv_memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace millrace::engine {
namespace {

constexpr int kSlice = 32;     // blocks made present at a time
constexpr int kNiceness = 10;  // compute threads first, but not never
// A start has better things to do, and page faults of all threads wait for one another.
constexpr std::chrono::seconds kAfterStart{1};

}  // namespace

std::int64_t kv_bytes_per_block(const kernels::Kernels& table, const kernels::KvShape& shape,
                                int num_layers) {
  return static_cast<std::int64_t>(table.kv_block_bytes(shape)) * num_layers;
}

KvMemory::KvMemory(const kernels::Kernels& table, const kernels::KvShape& shape, int num_layers,
                   int num_blocks)
    : num_blocks_(num_blocks), block_bytes_(table.kv_block_bytes(shape)) {
  cache_.shape = shape;
  const std::size_t bytes = block_bytes_ * static_cast<std::size_t>(num_blocks);
  for (int layer = 0; layer < num_layers; ++layer) {
    layers_.emplace_back(bytes);
    cache_.layers.push_back(layers_.back().data());
  }
  want(kBlocksAhead);
  presence_ = std::jthread([this](std::stop_token stop) { make_present(std::move(stop)); });
}

void KvMemory::want(int num_blocks) {
  wanted_ = num_blocks < num_blocks_ ? num_blocks : std::numeric_limits<int>::max();
  std::lock_guard lock(mutex_);
  num_wanted_ = std::min(num_blocks, num_blocks_);
  wake_.notify_one();
}

void KvMemory::make_present(std::stop_token stop) {
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kAfterStart, [] { return false; });
  }
  int present = 0;
  while (present < num_blocks_) {
    int end = 0;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [&] { return num_wanted_ > present; })) return;
      end = std::min(num_wanted_, present + kSlice);
    }
    for (const Buffer& layer : layers_) {
      if (stop.stop_requested()) return;
      layer.make_present(static_cast<std::size_t>(present) * block_bytes_,
                         static_cast<std::size_t>(end) * block_bytes_);
    }
    present = end;
  }
}

std::int64_t KvMemory::bytes() const {
  std::int64_t sum = 0;
  for (const Buffer& layer : layers_) sum += static_cast<std::int64_t>(layer.size());
  return sum;
}

}  // namespace millrace::engine
