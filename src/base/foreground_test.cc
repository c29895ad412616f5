#include "base/foreground.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

namespace millrace {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(Foreground, NobodyWaitsWhereACoreIsLeft) {
  const Foreground most_of_them(Foreground::cores_of_process() - 1);
  Foreground::await_core(hours(1));
}

TEST(Foreground, WhoWaitsGoesOnWhenACoreIsLeft) {
  std::optional<Foreground> all(std::in_place, Foreground::cores_of_process());
  const Foreground none(0);
  std::atomic<bool> over = false;
  std::thread waiting([&] {
    Foreground::await_core(hours(1));
    over = true;
  });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(over);
  all.reset();
  waiting.join();
}

TEST(Foreground, NobodyWaitsForEver) {
  const Foreground all(Foreground::cores_of_process());
  Foreground::await_core(milliseconds(1));
}

}  // namespace
}  // namespace millrace
