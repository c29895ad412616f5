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

}  // namespace
}  // namespace millrace
