#include "net/output_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <deque>

namespace millrace::net {
namespace {

// Takes as many bytes a call as it was told to; -1 fails with the given errno.
class ScriptedStream final : public ByteStream {
 public:
  std::deque<ssize_t> takes;
  int error = EAGAIN;
  std::string taken;
  std::size_t num_calls = 0;

  ssize_t read(char*, std::size_t) override { return 0; }
  ssize_t write(const iovec* parts, std::size_t count) override {
    ++num_calls;
    const ssize_t want = takes.empty() ? -1 : takes.front();
    if (!takes.empty()) takes.pop_front();
    errno = error;
    if (want < 0) return -1;
    std::size_t left = static_cast<std::size_t>(want);
    for (std::size_t i = 0; i < count && left > 0; ++i) {
      const std::size_t n = std::min(left, parts[i].iov_len);
      taken.append(static_cast<const char*>(parts[i].iov_base), n);
      left -= n;
    }
    return want - static_cast<ssize_t>(left);
  }
  void end_of_output() override {}
  int fd() const override { return -1; }
};

TEST(OutputQueue, sends_everything_in_order_through_short_writes) {
  OutputQueue queue;
  ScriptedStream stream;
  std::string want;
  for (int i = 0; i < 200; ++i) {
    const std::string part(static_cast<std::size_t>(i * 97 % 20'000),
                           static_cast<char>('a' + i % 26));
    want += part;
    queue.push(part);
  }
  EXPECT_EQ(queue.num_bytes(), want.size());
  while (!queue.empty()) {
    stream.takes.push_back(static_cast<ssize_t>(1 + stream.taken.size() % 30'011));
    const auto result = queue.flush(stream);
    EXPECT_EQ(result, queue.empty() ? OutputQueue::Flush::all : OutputQueue::Flush::some);
    EXPECT_EQ(queue.num_bytes(), want.size() - stream.taken.size());
  }
  EXPECT_EQ(stream.taken, want);
}

TEST(OutputQueue, gathers_head_and_body_in_one_call) {
  OutputQueue queue;
  ScriptedStream stream;
  queue.push("head");
  queue.push(std::string(100'000, 'b'));
  stream.takes.push_back(1'000'000);
  EXPECT_EQ(queue.flush(stream), OutputQueue::Flush::all);
  EXPECT_EQ(stream.num_calls, 1U);
  EXPECT_EQ(stream.taken.size(), 100'004U);
  EXPECT_EQ(queue.flush(stream), OutputQueue::Flush::all);
  EXPECT_EQ(stream.num_calls, 1U) << "nothing to send, nothing called";
}

TEST(OutputQueue, tells_full_from_broken) {
  OutputQueue queue;
  ScriptedStream stream;
  queue.push("x");
  EXPECT_EQ(queue.flush(stream), OutputQueue::Flush::none);
  stream.error = EPIPE;
  EXPECT_EQ(queue.flush(stream), OutputQueue::Flush::broken);
  queue.clear();
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace millrace::net
