// OutputQueue: bytes waiting for a socket that takes them slowly. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/socket.h"

namespace millrace::net {

class OutputQueue {
 public:
  enum class Flush : std::uint8_t { all, some, none, broken };
  // Neighbours that are not longer together are copied into one.
  static constexpr std::size_t kMergeBytes = std::size_t{16} << 10;

  void push(std::string bytes);
  // One gather write of what fits.
  Flush flush(ByteStream& stream);
  std::size_t num_bytes() const { return num_bytes_; }
  bool empty() const { return num_bytes_ == 0; }
  void clear();

 private:
  void drop(std::size_t count);

  std::vector<std::string> parts_;
  std::size_t first_ = 0;   // parts before it are sent
  std::size_t offset_ = 0;  // of parts_[first_], sent
  std::size_t num_bytes_ = 0;
};

}  // namespace millrace::net
