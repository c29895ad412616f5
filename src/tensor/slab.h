// Slab: memory for many buffers that live about as long as each other, side by side on huge pages:
// a model's weights. A buffer by itself of less than 2 MiB, and the end of a larger one, lie on
// small pages, whose addresses the processor looks up anew every 4 KiB.
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/buffer.h"

namespace millrace {

// Not thread-safe. Its buffers may outlive it; memory goes back when the last buffer of a piece
// does.
class Slab {
 public:
  // Memory is mapped in pieces of `piece_bytes`; what is never used of one is never resident.
  explicit Slab(std::size_t piece_bytes = std::size_t{64} << 20) : piece_bytes_(piece_bytes) {}
  // 64-byte aligned zeros. More than half of a piece gets a buffer of its own.
  Buffer take(std::size_t bytes);

 private:
  std::size_t piece_bytes_;
  std::shared_ptr<Buffer> piece_;
  std::size_t used_ = 0;
};

}  // namespace millrace
