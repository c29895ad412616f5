// ShortRuns: which executions are so short that handing them to another thread costs more than they
// do. Learns from the times of those that ran on the caller's thread. Thread-safe, lock-free; a
// lost update costs nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace millrace::backends {

class ShortRuns {
 public:
  // Two wake-ups take some 50 µs; a worker may be held for about twice that.
  static constexpr std::int64_t kShortNs = 100'000;
  // Up to this there is nothing that others could do sooner: neither a queue nor company pays.
  static constexpr std::int64_t kInstantNs = 30'000;
  // What takes longer than this elsewhere, wake-ups included, is not tried here.
  static constexpr std::int64_t kWorthTryingNs = 1'000'000;
  static constexpr std::uint32_t kTryAgainEvery = 64;
  // The first ones say little: a thread's first makes what the runtime needs there.
  static constexpr std::uint32_t kFirstTries = 8;

  // Whether to run an execution of so many input bytes on the caller's thread. Also says yes now
  // and then to find out.
  bool run_here(std::size_t bytes);
  // Whether it is expected to take kInstantNs at most.
  bool is_instant(std::size_t bytes) const;
  void ran_here(std::size_t bytes, std::int64_t ns);
  void ran_elsewhere(std::int64_t ns) { elsewhere_ns_ = ns; }

 private:
  double expected_ns(std::size_t bytes) const;  // 0: not known

  std::atomic<std::int64_t> elsewhere_ns_ = -1;  // the last one; -1: none yet
  std::atomic<double> here_ns_ = 0;              // near the least of late; 0: not tried yet
  std::atomic<double> here_bytes_ = 1;
  std::atomic<std::uint32_t> count_ = 0;
  std::atomic<std::uint32_t> num_tries_ = 0;
};

}  // namespace millrace::backends
