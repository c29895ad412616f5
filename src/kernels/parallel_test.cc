// Which thread does which index: with a pool whose threads come one after another.
#include "kernels/parallel.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::kernels {
namespace {

// Gives all pieces of a call to threads in the order of `turns`, one piece each; the last takes the
// rest.
struct Pool {
  std::vector<int> turns;

  ExecView view(int threads) {
    ExecView exec;
    exec.num_threads = threads;
    exec.pool = this;
    exec.parallel = [](void* pool, int count, void (*task)(void*, int, int), void* context) {
      const std::vector<int>& order = static_cast<Pool*>(pool)->turns;
      for (int i = 0; i < count; ++i) {
        const auto turn = static_cast<std::size_t>(i);
        task(context, i, turn < order.size() ? order[turn] : order.back());
      }
    };
    return exec;
  }
};

struct Done {
  int index, thread;
  bool operator==(const Done&) const = default;
};

std::vector<Done> run_near(Pool pool, int threads, int count) {
  std::vector<Done> done;
  parallel_near(pool.view(threads), count,
                [&](int index, int thread) { done.push_back({index, thread}); });
  return done;
}

TEST(ParallelNear, AThreadBeginsWithItsOwnShareAndThenHelps) {
  // Thread 1 is there first and finds nobody else: its own share, then thread 0's.
  EXPECT_EQ(run_near({{1, 0}}, 2, 4), (std::vector<Done>{{2, 1}, {3, 1}, {0, 1}, {1, 1}}));
  EXPECT_EQ(run_near({{2, 0, 1}}, 3, 4), (std::vector<Done>{{2, 2}, {3, 2}, {0, 2}, {1, 2}}));
}

TEST(ParallelNear, EveryIndexOnceWhoeverComes) {
  for (const int threads : {1, 2, 3, 7, 64, 65}) {
    for (const int count : {0, 1, 2, 5, 64, 200}) {
      for (const std::vector<int>& turns :
           {std::vector<int>{0}, std::vector<int>{threads - 1, 0}}) {
        std::vector<int> times(static_cast<std::size_t>(count), 0);
        for (const Done& done : run_near({turns}, threads, count)) {
          ++times[static_cast<std::size_t>(done.index)];
        }
        EXPECT_EQ(times, std::vector<int>(static_cast<std::size_t>(count), 1))
            << threads << " threads, " << count;
      }
    }
  }
}

}  // namespace
}  // namespace millrace::kernels
