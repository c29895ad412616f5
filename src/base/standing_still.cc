#include "base/standing_still.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <mutex>

#include "base/clock.h"
#include "base/foreground.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenLooks(1), kMostSleep(50), kLeastRun(1);

thread_local constinit TimePoint may_run_until{};

int look_signal() {
  return SIGRTMIN + 6;
}

// The signal's handler. The next one is due by the time that a sleep is over: without a least time
// to run the thread would come to nothing.
void look(int) {
  if (Clock::now() < may_run_until) return;
  const int error = errno;
  Foreground::await_core(kMostSleep);
  may_run_until = Clock::now() + kLeastRun;
  errno = error;
}

void handle_looks() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_handler = look;
    action.sa_flags = SA_RESTART;
    sigaction(look_signal(), &action, nullptr);
  });
}

}  // namespace

StandingStill::StandingStill() {
  Foreground::cores_of_process();  // not for the first time in the handler
  handle_looks();
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = look_signal();
  event._sigev_un._tid = gettid();
  has_timer_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
  if (!has_timer_) return;
  const timespec each{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kBetweenLooks).count()};
  const itimerspec often{.it_interval = each, .it_value = each};
  timer_settime(timer_, 0, &often, nullptr);
}

StandingStill::~StandingStill() {
  if (has_timer_) timer_delete(timer_);
}

}  // namespace millrace
