// MappingGuard: reading a mapped file that somebody cuts short must not kill the server.
//
// The kernel answers a read past the new end of a mapped file with SIGBUS. While a guard is alive,
// such a fault inside its range puts a page of zeros in place of the lost one and marks the guard
// torn: the reader goes on with zeros, and whoever asked for the data finds out from torn().
// The alternatives are worse: copying every file before use doubles the memory and the load time,
// and jumping out of the signal handler skips destructors.
//
// The first guard installs a process-wide SIGBUS handler. Faults elsewhere go on to whatever
// handler was there before. Thread-safe.
#pragma once

#include <cstddef>
#include <span>

namespace millrace::weights {

class MappingGuard {
 public:
  MappingGuard() = default;  // guards nothing
  // `mapping` begins on a page and stays mapped until the guard is gone. When kMaxGuards are alive
  // already the range stays unguarded; guards() says so.
  explicit MappingGuard(std::span<const std::byte> mapping);
  MappingGuard(MappingGuard&& other) noexcept;
  MappingGuard& operator=(MappingGuard&& other) noexcept;
  ~MappingGuard();

  bool guards() const { return slot_ >= 0; }
  bool torn() const;

  static constexpr int kMaxGuards = 4096;

 private:
  int slot_ = -1;
};

}  // namespace millrace::weights
