#include "tensor/slab.h"

namespace millrace {

Buffer Slab::take(std::size_t bytes) {
  constexpr std::size_t kCacheLine = 64;
  if (bytes > piece_bytes_ / 2) return Buffer(bytes);
  const std::size_t wanted = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  if (!piece_ || wanted > piece_->size() - used_) {
    piece_ = std::make_shared<Buffer>(piece_bytes_);
    used_ = 0;
  }
  Buffer part(piece_, used_, bytes);
  used_ += wanted;
  return part;
}

}  // namespace millrace
