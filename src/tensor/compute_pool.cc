#include "tensor/compute_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/cores.h"

namespace millrace {
namespace {

using Word = std::atomic<std::int32_t>;
static_assert(sizeof(Word) == sizeof(std::int32_t) && Word::is_always_lock_free);

// Sleeps while `word` holds `expected`; may return early.
void futex_wait(Word& word, std::int32_t expected) {
  syscall(SYS_futex, reinterpret_cast<std::int32_t*>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr,
          nullptr, 0);
}

void futex_wake(Word& word, int num_threads) {
  syscall(SYS_futex, reinterpret_cast<std::int32_t*>(&word), FUTEX_WAKE_PRIVATE, num_threads,
          nullptr, nullptr, 0);
}

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Polls `done` for up to `limit`; says whether it came true.
template <class Done>
bool spin_until(std::chrono::nanoseconds limit, Done done) {
  constexpr int kPollsPerClockRead = 16;
  if (done()) return true;
  const auto give_up = std::chrono::steady_clock::now() + limit;
  do {
    for (int i = 0; i < kPollsPerClockRead; ++i) {
      pause_cpu();
      if (done()) return true;
    }
  } while (std::chrono::steady_clock::now() < give_up);
  return false;
}

void pin_this_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // a hint: failing is harmless
}

}  // namespace

// How a call works. The caller writes the job, then publishes it as `ticket` = a new generation and
// the number of indices nobody has claimed. Whoever is awake takes one off by compare-and-swap. The
// swap can only succeed while that job still misses an index, so what was read of the job before it
// belongs to that job: a thread that wakes too late finds nothing and touches nothing. The call
// ends when `completed` reaches the count.
struct ComputePool::State {
  int num_threads = 1;
  std::chrono::nanoseconds spin{0};
  std::mutex turn;
  std::vector<std::thread> threads;

  alignas(64) std::atomic<std::uint64_t> ticket{0};  // generation << 32 | unclaimed
  std::atomic<int> count{0};
  std::atomic<void (*)(void*, int, int)> task{nullptr};
  std::atomic<void*> context{nullptr};

  alignas(64) Word completed{0};
  Word caller_sleeps{0};

  alignas(64) Word epoch{0};  // moves with the generation: what workers sleep on
  Word num_sleeping{0};
  std::atomic<bool> stopping{false};

  int claim_and_run(int thread);
  void work(int thread, int cpu);
  void wait_for_completion(int all);
};

// Runs indices of the current job until none is left; returns how many.
int ComputePool::State::claim_and_run(int thread) {
  int num_run = 0;
  std::uint64_t seen = ticket.load(std::memory_order_acquire);
  while (static_cast<std::uint32_t>(seen) != 0) {
    const int all = count.load(std::memory_order_relaxed);
    auto* const run = task.load(std::memory_order_relaxed);
    void* const with = context.load(std::memory_order_relaxed);
    if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      continue;
    }
    run(with, all - static_cast<int>(static_cast<std::uint32_t>(seen)), thread);
    ++num_run;
    seen = ticket.load(std::memory_order_acquire);
  }
  return num_run;
}

void ComputePool::State::work(int thread, int cpu) {
  if (cpu >= 0) pin_this_thread(cpu);
  pthread_setname_np(pthread_self(), ("compute-" + std::to_string(thread)).c_str());
  std::int32_t seen_epoch = 0;
  for (;;) {
    const auto has_news = [&] { return epoch.load(std::memory_order_acquire) != seen_epoch; };
    if (!spin_until(spin, has_news)) {
      num_sleeping.fetch_add(1);
      while (!has_news()) futex_wait(epoch, seen_epoch);
      num_sleeping.fetch_sub(1);
    }
    // In this order: an epoch that counts the end must not be noted without the end being seen.
    seen_epoch = epoch.load(std::memory_order_acquire);
    if (stopping.load(std::memory_order_acquire)) return;
    const int num_run = claim_and_run(thread);
    if (num_run == 0) continue;
    completed.fetch_add(num_run);
    if (caller_sleeps.load() != 0) futex_wake(completed, 1);
  }
}

void ComputePool::State::wait_for_completion(int all) {
  const auto is_done = [&] { return completed.load(std::memory_order_acquire) == all; };
  if (spin_until(spin, is_done)) return;
  caller_sleeps.store(1);
  for (std::int32_t value = completed.load(); value != all; value = completed.load()) {
    futex_wait(completed, value);
  }
  caller_sleeps.store(0);
}

ComputePool::ComputePool(int num_threads, int spin_micros) : state_(std::make_unique<State>()) {
  MILLRACE_CHECK(num_threads >= 0 && spin_micros >= 0);
  const std::vector<int> cores = allowed_cores();
  State& s = *state_;
  s.num_threads = num_threads > 0 ? num_threads : usable_cores();
  s.spin = std::chrono::microseconds(spin_micros);
  // Under a quota other processes use the same cores: let the scheduler place us.
  const bool pin = s.num_threads <= static_cast<int>(cores.size()) &&
                   cpu_quota() >= static_cast<int>(cores.size());
  for (int thread = 1; thread < s.num_threads; ++thread) {
    const int cpu = pin ? cores[static_cast<std::size_t>(thread)] : -1;
    s.threads.emplace_back([&s, thread, cpu] { s.work(thread, cpu); });
  }
}

ComputePool::~ComputePool() {
  State& s = *state_;
  s.stopping.store(true);
  s.epoch.fetch_add(1);
  futex_wake(s.epoch, INT_MAX);
  for (std::thread& thread : s.threads) thread.join();
}

int ComputePool::num_threads() const {
  return state_->num_threads;
}

void ComputePool::parallel(int count, void (*task)(void* context, int index, int thread),
                           void* context) {
  State& s = *state_;
  if (count <= 1 || s.num_threads == 1) {
    for (int index = 0; index < count; ++index) task(context, index, 0);
    return;
  }
  const std::lock_guard lock(s.turn);
  s.completed.store(0, std::memory_order_relaxed);
  s.count.store(count, std::memory_order_relaxed);
  s.task.store(task, std::memory_order_relaxed);
  s.context.store(context, std::memory_order_relaxed);
  const std::uint64_t generation = (s.ticket.load(std::memory_order_relaxed) >> 32) + 1;
  s.ticket.store(generation << 32 | static_cast<std::uint32_t>(count), std::memory_order_release);
  s.epoch.fetch_add(1);
  if (s.num_sleeping.load() > 0) futex_wake(s.epoch, count - 1);

  const int num_run = s.claim_and_run(0);
  if (num_run == count) return;
  s.completed.fetch_add(num_run, std::memory_order_acq_rel);
  s.wait_for_completion(count);
}

}  // namespace millrace
