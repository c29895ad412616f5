// EventLoop: one thread's epoll set. The only place that waits. add(), modify(), remove() and
// post() are thread-safe; watchers are called on the loop's thread only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "net/socket.h"

namespace millrace::net {

class EventLoop {
 public:
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void on_events(std::uint32_t events) = 0;  // EPOLL* bits
  };

  EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Status open();
  // Until stop(). Calls `end_of_round` after each batch of events, and `tick` about every
  // `interval` while want_ticks(true).
  void run(std::chrono::milliseconds interval, const std::function<void()>& tick,
           const std::function<void()>& end_of_round);
  void stop();
  bool is_here() const;  // on the loop's thread, within run()
  // When the events of this round were there, those behind others included; loop thread.
  TimePoint round_began() const { return round_began_; }

  // A watcher that is removed may still be called for events already taken in this round: keep it
  // alive until the round is over with defer_destroy().
  bool add(int fd, std::uint32_t events, Watcher* watcher);
  void modify(int fd, std::uint32_t events, Watcher* watcher);
  void remove(int fd);
  void post(std::function<void()> task);
  void want_ticks(bool wanted) { ticking_ = wanted; }  // loop thread
  void defer_destroy(std::shared_ptr<void> object);    // loop thread
  // Scratch memory for reads, shared by all watchers of the loop; loop thread.
  std::vector<char>& scratch() { return scratch_; }

 private:
  void run_posted();

  UniqueFd epoll_;
  UniqueFd wake_;
  std::atomic<bool> stopping_{false};
  bool ticking_ = false;
  TimePoint round_began_{};
  std::vector<char> scratch_;
  std::vector<std::shared_ptr<void>> graveyard_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
};

}  // namespace millrace::net
