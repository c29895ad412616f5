// PeerCounts: how many connections each address has open, so that one cannot take them all.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace millrace::net {

// Thread-safe. Tickets may outlive it.
class PeerCounts {
 public:
  PeerCounts(std::size_t max_each, bool count_loopback)
      : shared_(std::make_shared<Shared>()), max_each_(max_each), count_loopback_(count_loopback) {}

  // Counted until the ticket is dropped; null where the peer of `socket` has max_each already. IPv6
  // peers count by /64, which one host commonly has to itself. Loopback is counted only if told to:
  // it is where gateways, sidecars and benchmarks come from.
  std::shared_ptr<void> admit(int socket);

 private:
  struct Shared {
    std::mutex mutex;
    std::map<std::string, std::size_t> counts;
  };
  std::shared_ptr<Shared> shared_;
  std::size_t max_each_;
  bool count_loopback_;
};

}  // namespace millrace::net
