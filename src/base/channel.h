// Channel<T>: one producer side, one consumer side, bounded. Closed by the consumer means
// cancelled: the producer's next push says so. Closed by the producer means complete: the consumer
// drains what is left, then sees the end. All members are thread-safe. The producer never blocks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace millrace {

enum class Push { ok, full, closed };

template <class T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : capacity_(capacity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // full: the item was not taken; the producer may hold back and try again.
  Push try_push(T item) {
    std::function<void()> wake;
    {
      std::lock_guard lock(mutex_);
      if (closed_) return Push::closed;
      if (items_.size() >= capacity_) return Push::full;
      items_.push_back(std::move(item));
      if (armed_) {
        armed_ = false;
        wake = std::move(listener_);
      }
    }
    ready_.notify_one();
    if (wake) wake();
    return Push::ok;
  }

  // Takes what is there without waiting; empty when nothing is.
  std::optional<T> try_pop() {
    std::lock_guard lock(mutex_);
    return take();
  }

  // Waits for an item, the end or the time-out.
  template <class Rep, class Period>
  std::optional<T> pop_for(std::chrono::duration<Rep, Period> timeout) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, timeout, [&] { return !items_.empty() || closed_; });
    return take();
  }

  // Event-driven consumers: calls `listener` (on the pushing or closing thread; it must only post
  // work) once there is something to pop or the channel is closed, then not again until the next
  // arm().
  void arm(std::function<void()> listener) {
    {
      std::lock_guard lock(mutex_);
      if (items_.empty() && !closed_) {
        listener_ = std::move(listener);
        armed_ = true;
        return;
      }
    }
    listener();
  }

  void close() {
    std::function<void()> wake;
    {
      std::lock_guard lock(mutex_);
      if (closed_) return;
      closed_ = true;
      if (armed_) {
        armed_ = false;
        wake = std::move(listener_);
      }
    }
    ready_.notify_all();
    if (wake) wake();
  }

  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  std::size_t capacity() const { return capacity_; }

 private:
  std::optional<T> take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_;
  std::function<void()> listener_;
  bool armed_ = false;
  bool closed_ = false;
};

}  // namespace millrace
