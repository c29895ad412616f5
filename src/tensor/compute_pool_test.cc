#include "tensor/compute_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>
#include <vector>

namespace millrace {
namespace {

struct Tally {
  explicit Tally(int count) : times(static_cast<std::size_t>(count)) {}
  std::vector<std::atomic<int>> times;  // how often each index ran
  std::atomic<int> in_thread[64] = {};  // threads inside, by thread value
  std::atomic<bool> overlapped = false;
};

void tally(void* context, int index, int thread) {
  Tally& t = *static_cast<Tally*>(context);
  if (t.in_thread[thread].fetch_add(1) != 0) t.overlapped = true;
  t.times[static_cast<std::size_t>(index)].fetch_add(1);
  t.in_thread[thread].fetch_sub(1);
}

void expect_each_once(const Tally& t) {
  for (std::size_t i = 0; i < t.times.size(); ++i) ASSERT_EQ(t.times[i], 1) << "index " << i;
  EXPECT_FALSE(t.overlapped);
}

TEST(ComputePool, RunsEachIndexOnce) {
  for (const int threads : {1, 2, 3, 7}) {
    ComputePool pool(threads);
    EXPECT_EQ(pool.num_threads(), threads);
    for (const int count : {0, 1, 2, 3, 8, 1000}) {
      Tally t(count);
      pool.parallel(count, tally, &t);
      expect_each_once(t);
    }
  }
}

TEST(ComputePool, ManySmallCallsBackToBack) {
  ComputePool pool(3);
  for (int i = 0; i < 20000; ++i) {
    Tally t(1 + i % 5);
    pool.parallel(1 + i % 5, tally, &t);
    expect_each_once(t);
  }
}

TEST(ComputePool, WakesSleepersAndSleepsAgain) {
  ComputePool pool(4, /*spin_micros=*/0);
  for (int i = 0; i < 300; ++i) {
    Tally t(8);
    pool.parallel(8, tally, &t);
    expect_each_once(t);
    if (i % 30 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// The end may come while a worker is still looking at the last job.
TEST(ComputePool, EndsRightAfterACall) {
  for (int i = 0; i < 3000; ++i) {
    ComputePool pool(3, i % 2 == 0 ? 50 : 0);
    Tally t(2 + i % 3);
    pool.parallel(2 + i % 3, tally, &t);
    expect_each_once(t);
  }
}

TEST(ComputePool, CallersTakeTurns) {
  ComputePool pool(3);
  std::vector<std::thread> engines;
  for (int e = 0; e < 3; ++e) {
    engines.emplace_back([&pool] {
      for (int i = 0; i < 2000; ++i) {
        Tally t(6);
        pool.parallel(6, tally, &t);
        expect_each_once(t);
      }
    });
  }
  for (std::thread& engine : engines) engine.join();
}

// Writes of the tasks are visible to the caller, and the caller's to the tasks, without atomics.
TEST(ComputePool, OrdersPlainMemory) {
  ComputePool pool(2);
  std::vector<int> values(64, 0);
  for (int round = 0; round < 2000; ++round) {
    pool.parallel(
        64, [](void* context, int index, int) { static_cast<int*>(context)[index] += index; },
        values.data());
  }
  for (int i = 0; i < 64; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], 2000 * i);
}

// One thread is stuck in its index: the others take all the rest.
TEST(ComputePool, SlowThreadClaimsFewer) {
  ComputePool pool(2);
  struct Shared {
    std::atomic<int> finished{0};
    std::atomic<bool> gave_up{false};
  } shared;
  pool.parallel(
      50,
      [](void* context, int index, int) {
        Shared& s = *static_cast<Shared*>(context);
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (index == 0 && s.finished < 49 && !s.gave_up) {
          std::this_thread::yield();
          if (std::chrono::steady_clock::now() > limit) s.gave_up = true;
        }
        s.finished.fetch_add(1);
      },
      &shared);
  EXPECT_EQ(shared.finished, 50);
  EXPECT_FALSE(shared.gave_up) << "the other thread should have run the other 49";
}

double process_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

TEST(ComputePool, IdleCostsNothing) {
  ComputePool pool(4);
  Tally t(8);
  pool.parallel(8, tally, &t);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // past the spin
  const double before = process_cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(process_cpu_seconds() - before, 0.02);
}

// Not a judgement on a shared machine: prints what a region costs when the threads are hot and both
// must take part (each task waits to see the other one start).
TEST(ComputePool, DispatchCost) {
  ComputePool pool(2);
  double best = 1e9;
  for (int round = 0; round < 50; ++round) {
    constexpr int kCalls = 200;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) {
      std::atomic<int> arrived{0};
      pool.parallel(
          2,
          [](void* context, int, int) {
            std::atomic<int>& both = *static_cast<std::atomic<int>*>(context);
            both.fetch_add(1);
            while (both.load() < 2) {
            }
          },
          &arrived);
    }
    const std::chrono::duration<double, std::micro> spent =
        std::chrono::steady_clock::now() - begin;
    best = std::min(best, spent.count() / kCalls);
  }
  std::printf("a region that both of 2 threads take part in: %.2f us\n", best);
  EXPECT_LT(best, 5000.0);
}

}  // namespace
}  // namespace millrace
