#include "base/standing_still.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "base/foreground.h"

namespace millrace {
namespace {

// Of a thread: 'R' while it computes, 'S' while it sleeps.
char state_of(int thread) {
  std::string line;
  std::getline(std::ifstream(fmt::format("/proc/self/task/{}/stat", thread)), line);
  return line.at(line.rfind(')') + 2);
}

enum class Still { never, now, before };

// A thread that computes and never waits of its own accord.
class Busy {
 public:
  explicit Busy(Still when) {
    thread_ = std::jthread([this, when](const std::stop_token& stop) {
      std::optional<StandingStill> still;
      if (when != Still::never) still.emplace();
      if (when == Still::before) still.reset();
      id_ = gettid();
      while (!stop.stop_requested()) ++rounds_;
    });
    while (id_ == 0) std::this_thread::yield();
  }
  bool sleeps() const { return state_of(id_) == 'S'; }
  long rounds() const { return rounds_; }

 private:
  std::atomic<int> id_ = 0;
  std::atomic<long> rounds_ = 0;
  std::jthread thread_;
};

TEST(StandingStill, SleepsWhileOthersTakeAllCoresAndGoesOnAfterwards) {
  const Busy still(Still::now), other(Still::never);
  {
    const Foreground all(Foreground::cores_of_process());
    while (!still.sleeps()) EXPECT_FALSE(other.sleeps());
    // Not for ever.
    for (const long rounds = still.rounds(); still.rounds() == rounds;) std::this_thread::yield();
  }
  for (int i = 0; i < 100; ++i) {
    const long rounds = still.rounds();
    while (still.rounds() == rounds) std::this_thread::yield();
  }
}

TEST(StandingStill, EndsWithTheObject) {
  const Busy before(Still::before);
  const Foreground all(Foreground::cores_of_process());
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(before.sleeps());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace
}  // namespace millrace
