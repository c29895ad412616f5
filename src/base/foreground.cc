#include "base/foreground.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>

#include "base/clock.h"
#include "base/cores.h"

namespace millrace {
namespace {

std::atomic<std::int32_t> num_taken = 0;    // cores
std::atomic<std::int32_t> num_waiting = 0;  // for num_taken to become less
static_assert(std::atomic<std::int32_t>::is_always_lock_free && sizeof num_taken == 4);

void futex(int operation, std::int32_t value, const timespec* until) {
  syscall(SYS_futex, &num_taken, operation, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

int Foreground::cores_of_process() {
  static const int cores = usable_cores();
  return cores;
}

Foreground::Foreground(int cores) : cores_(cores) {
  num_taken.fetch_add(cores_);
}

Foreground::~Foreground() {
  num_taken.fetch_sub(cores_);
  if (num_waiting.load() > 0) futex(FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr);
}

void Foreground::await_core(std::chrono::nanoseconds at_most) {
  const int most = cores_of_process() - 1;
  const TimePoint end = Clock::now() + at_most;
  const auto since = std::chrono::nanoseconds(end.time_since_epoch()).count();
  const timespec until{.tv_sec = since / 1'000'000'000, .tv_nsec = since % 1'000'000'000};
  num_waiting.fetch_add(1);
  for (std::int32_t taken = num_taken.load(); taken > most && Clock::now() < end;
       taken = num_taken.load()) {
    futex(FUTEX_WAIT_BITSET_PRIVATE, taken, &until);
  }
  num_waiting.fetch_sub(1);
}

}  // namespace millrace
