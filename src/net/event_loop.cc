#include "net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/clock.h"

namespace millrace::net {
namespace {

constexpr std::size_t kScratchBytes = std::size_t{64} << 10;

thread_local const EventLoop* running_here = nullptr;

epoll_event make_event(std::uint32_t events, EventLoop::Watcher* watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = watcher;
  return event;
}

}  // namespace

EventLoop::EventLoop() : scratch_(kScratchBytes) {}

Status EventLoop::open() {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_ || !wake_)
    return fail(ErrorKind::unavailable, "no file descriptor for an event loop");
  if (!add(wake_.get(), EPOLLIN, nullptr))
    return fail(ErrorKind::internal, "epoll refused eventfd");
  return {};
}

void EventLoop::run(std::chrono::milliseconds interval, const std::function<void()>& tick,
                    const std::function<void()>& end_of_round) {
  running_here = this;
  std::array<epoll_event, 128> events;
  round_began_ = Clock::now();
  TimePoint next_tick = round_began_ + interval;
  while (!stopping_.load(std::memory_order_acquire)) {
    int wait_ms = -1;
    if (ticking_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick - round_began_);
      wait_ms = left.count() > 0 ? static_cast<int>(left.count()) : 0;
    }
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms);
    round_began_ = Clock::now();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr) {
        static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
      } else {
        run_posted();
      }
    }
    if (ticking_ && round_began_ >= next_tick) {
      tick();
      next_tick = round_began_ + interval;
    }
    end_of_round();
    graveyard_.clear();
  }
  run_posted();
  graveyard_.clear();
}

bool EventLoop::is_here() const {
  return running_here == this;
}

void EventLoop::stop() {
  stopping_.store(true, std::memory_order_release);
  post([] {});
}

bool EventLoop::add(int fd, std::uint32_t events, Watcher* watcher) {
  epoll_event event = make_event(events, watcher);
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventLoop::modify(int fd, std::uint32_t events, Watcher* watcher) {
  epoll_event event = make_event(events, watcher);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::remove(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::defer_destroy(std::shared_ptr<void> object) {
  graveyard_.push_back(std::move(object));
}

void EventLoop::run_posted() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (const auto& task : tasks) task();
}

}  // namespace millrace::net
