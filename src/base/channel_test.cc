#include "base/channel.h"

#include <gtest/gtest.h>

#include <thread>

namespace millrace {
namespace {

using namespace std::chrono_literals;

TEST(Channel, IsBoundedAndKeepsOrder) {
  Channel<int> channel(2);
  EXPECT_EQ(channel.try_push(1), Push::ok);
  EXPECT_EQ(channel.try_push(2), Push::ok);
  EXPECT_EQ(channel.try_push(3), Push::full);
  EXPECT_EQ(channel.try_pop(), 1);
  EXPECT_EQ(channel.try_push(3), Push::ok);
  EXPECT_EQ(channel.try_pop(), 2);
  EXPECT_EQ(channel.try_pop(), 3);
  EXPECT_EQ(channel.try_pop(), std::nullopt);
}

TEST(Channel, ClosedDrainsThenEnds) {
  Channel<int> channel(4);
  channel.try_push(1);
  channel.close();
  EXPECT_EQ(channel.try_push(2), Push::closed);
  EXPECT_EQ(channel.pop_for(1s), 1);
  EXPECT_EQ(channel.pop_for(1s), std::nullopt);
}

TEST(Channel, ListenerIsCalledOncePerArm) {
  Channel<int> channel(8);
  int calls = 0;
  channel.arm([&] { ++calls; });
  channel.try_push(1);
  channel.try_push(2);
  EXPECT_EQ(calls, 1);
  channel.arm([&] { ++calls; });  // something is there: at once
  EXPECT_EQ(calls, 2);
  channel.try_pop();
  channel.try_pop();
  channel.arm([&] { ++calls; });
  EXPECT_EQ(calls, 2);
  channel.close();
  EXPECT_EQ(calls, 3);
}

TEST(Channel, CarriesEverythingAcrossThreads) {
  Channel<int> channel(16);
  std::jthread producer([&] {
    for (int i = 0; i < 20'000;) {
      if (channel.try_push(i) == Push::ok) ++i;
    }
    channel.close();
  });
  int expected = 0;
  while (auto item = channel.pop_for(5s)) EXPECT_EQ(*item, expected++);
  EXPECT_EQ(expected, 20'000);
}

}  // namespace
}  // namespace millrace
