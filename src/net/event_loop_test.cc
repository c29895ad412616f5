#include "net/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace millrace::net {
namespace {

using namespace std::chrono_literals;

class Pipe final : public EventLoop::Watcher {
 public:
  Pipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    read_end = UniqueFd(ends[0]);
    write_end = UniqueFd(ends[1]);
  }
  void on_events(std::uint32_t events) override {
    last_events = events;
    char buffer[16];
    const ssize_t n = ::read(read_end.get(), buffer, sizeof buffer);
    if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
    if (then) then();
  }
  UniqueFd read_end, write_end;
  std::uint32_t last_events = 0;
  std::string text;
  std::function<void()> then;
};

void run(EventLoop& loop) {
  loop.run(1h, [] {}, [] {});
}

TEST(EventLoop, runs_posted_tasks_in_order_from_any_thread) {
  EventLoop loop;
  ASSERT_TRUE(loop.open());
  std::thread::id ran_on;
  std::string order;
  loop.post([&] { order += "a"; });
  std::thread thread([&] { run(loop); });
  for (const char c : std::string("bcdefg")) loop.post([&order, c] { order += c; });
  loop.post([&] { ran_on = std::this_thread::get_id(); });
  const std::thread::id loop_thread = thread.get_id();
  loop.post([&] { loop.stop(); });
  thread.join();
  EXPECT_EQ(order, "abcdefg");
  EXPECT_EQ(ran_on, loop_thread);
}

TEST(EventLoop, calls_watchers_until_they_are_removed) {
  EventLoop loop;
  ASSERT_TRUE(loop.open());
  Pipe pipe;
  ASSERT_TRUE(loop.add(pipe.read_end.get(), EPOLLIN, &pipe));
  int rounds = 0;
  pipe.then = [&] {
    loop.remove(pipe.read_end.get());
    EXPECT_EQ(::write(pipe.write_end.get(), "unseen", 6), 6);
    loop.post([&] { loop.stop(); });
  };
  EXPECT_EQ(::write(pipe.write_end.get(), "seen", 4), 4);
  loop.run(1h, [] {}, [&] { ++rounds; });
  EXPECT_EQ(pipe.text, "seen");
  EXPECT_TRUE(pipe.last_events & EPOLLIN);
  EXPECT_GE(rounds, 1);
}

TEST(EventLoop, ticks_only_when_wanted) {
  EventLoop loop;
  ASSERT_TRUE(loop.open());
  int ticks = 0;
  std::thread later([&] {
    std::this_thread::sleep_for(30ms);
    EXPECT_EQ(ticks, 0);
    loop.post([&] { loop.want_ticks(true); });
  });
  loop.run(
      2ms,
      [&] {
        if (++ticks == 3) loop.stop();
      },
      [] {});
  later.join();
  EXPECT_EQ(ticks, 3);
}

TEST(EventLoop, keeps_deferred_objects_until_the_round_is_over) {
  EventLoop loop;
  ASSERT_TRUE(loop.open());
  auto object = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = object;
  bool alive_after_release = false;
  loop.post([&] {
    loop.defer_destroy(std::move(object));
    alive_after_release = !watch.expired();
    loop.stop();
  });
  run(loop);
  EXPECT_TRUE(alive_after_release);
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace millrace::net
