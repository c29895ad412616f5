// Acceptor: a listening socket, and the clients that come to it. One loop's; a listener that finds
// no descriptor for a client turns it away, or rests until the next tick, but never spins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/event_loop.h"
#include "net/peer_counts.h"
#include "net/socket.h"

namespace millrace::net {

class Acceptor final : public EventLoop::Watcher {
 public:
  // Gets a connected socket without delay, and the peer's place in the counts; loop thread.
  using Accepted = std::function<void(UniqueFd socket, std::shared_ptr<void> ticket)>;

  Acceptor(std::size_t max_each_peer, bool count_loopback, Accepted accepted);

  // Binds and listens; the error names host and port. The loop outlives the acceptor's use of it.
  Status open(EventLoop& loop, const std::string& host, std::uint16_t port);
  std::uint16_t port() const { return listener_.port; }

  // Loop thread.
  void on_events(std::uint32_t events) override;
  void on_tick();
  void close();

 private:
  void accept_one(int fd);
  void shed();

  const Accepted accepted_;
  PeerCounts peers_;
  EventLoop* loop_ = nullptr;
  Listener listener_;
  UniqueFd spare_;  // given up for a moment to turn a client away when no descriptor is left
  bool listening_ = false;
};

}  // namespace millrace::net
