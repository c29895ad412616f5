// SharedMemory: the POSIX shared memory objects that clients of this machine registered, to pass
// tensors through them instead of a socket. Nothing is mapped: bytes are copied with pread and
// pwrite, so that a client which truncates its object gets an error and the server no signal.
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::serving {

// `byte_size` bytes from `offset` on of the object that shm_open(key) finds.
struct SharedRegion {
  std::string name{};
  std::string key{};
  std::uint64_t offset = 0;
  std::uint64_t byte_size = 0;
};

// What a tensor occupies of a region; `offset` counts from the region's start.
struct SharedPiece {
  std::string region{};
  std::uint64_t offset = 0;
  std::uint64_t byte_size = 0;
};

class SharedMemory {
 public:
  static constexpr std::size_t kMaxRegions = 256;
  static constexpr std::uint64_t kMaxPieceBytes = std::uint64_t{256} << 20;

  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  // Opens the object and keeps it open. invalid_argument where there is no such object, the key is
  // no name of one, or the region is not within it; conflict where the name is taken; too_large
  // when there are kMaxRegions.
  Status add(SharedRegion region);
  Status remove(std::string_view name);  // not_found
  void clear();
  std::vector<SharedRegion> list() const;  // by name
  Result<SharedRegion> find(std::string_view name) const;

  // A copy of the bytes as they are now. not_found without the region, invalid_argument where the
  // piece is not within it, is longer than kMaxPieceBytes, or the object has shrunk.
  Result<std::string> read(const SharedPiece& piece) const;
  // Writes to the piece's start; `data` must not be longer than the piece.
  Status write(const SharedPiece& piece, std::span<const std::byte> data) const;

 private:
  struct Open;
  Result<std::shared_ptr<const Open>> at(const SharedPiece& piece) const;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const Open>, std::less<>> regions_;
};

}  // namespace millrace::serving
