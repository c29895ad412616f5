#include "base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

namespace millrace {
namespace {

TEST(WorkerPool, RunsEverythingBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool("test", 3);
    for (int i = 0; i < 1000; ++i) {
      pool.post([&] {
        pool.post([&] { ++done; });
        ++done;
      });
    }
  }
  EXPECT_EQ(done, 2000);
}

TEST(WorkerPool, IdleMeansNothingQueuedOrRunning) {
  WorkerPool pool("test", 2);
  std::atomic<int> done = 0;
  for (int i = 0; i < 200; ++i) {
    pool.post([&] {
      pool.post([&] { ++done; });
      ++done;
    });
  }
  pool.wait_idle();
  EXPECT_EQ(done, 400);
  EXPECT_EQ(pool.num_queued(), 0u);
}

}  // namespace
}  // namespace millrace
